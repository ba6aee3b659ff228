package grpcadapter_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/middleware"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// accountID is the account of a fake checker.
const accountID = "566ec2b0ff0deeaae5f9d500629de162"

// checker is a fake whose snapshot can be replaced.
type checker struct {
	snapshot atomic.Pointer[health.Snapshot]
}

func (c *checker) Snapshot() *health.Snapshot { return c.snapshot.Load() }

func (c *checker) set(t *testing.T, reason health.Reason, retryAfter time.Duration) {
	t.Helper()
	account, err := requester.ParseAccount([]byte(`{"id":"` + accountID + `","balance":121.3}`))
	require.NoError(t, err)
	c.snapshot.Store(health.NewSnapshot(health.State{
		Reasons: []health.Reason{reason}, Account: account, Started: true, RetryAfter: retryAfter,
	}))
}

// dial starts a server for one test and returns a connection to it.
func dial(t *testing.T, server *grpc.Server) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 16)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	conn, err := grpc.NewClient("passthrough:///test",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return listener.DialContext(ctx)
		}))
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		<-ended
	})
	return conn
}

// The methods of the test's service answer with the account's ID.
const (
	unaryMethod  = "/tasks.v1.Tasks/Account"
	streamMethod = "/tasks.v1.Tasks/Accounts"
)

var tasks = grpc.ServiceDesc{
	ServiceName: "tasks.v1.Tasks",
	Methods: []grpc.MethodDesc{{
		MethodName: "Account",
		Handler: func(
			srv any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor,
		) (any, error) {
			in := &emptypb.Empty{}
			if err := decode(in); err != nil {
				return nil, err
			}
			info := &grpc.UnaryServerInfo{Server: srv, FullMethod: unaryMethod}
			return intercept(ctx, in, info, func(ctx context.Context, _ any) (any, error) {
				return accountOf(ctx), nil
			})
		},
	}},
	Streams: []grpc.StreamDesc{{
		StreamName:    "Accounts",
		ServerStreams: true,
		Handler: func(_ any, stream grpc.ServerStream) error {
			return stream.SendMsg(accountOf(stream.Context()))
		},
	}},
}

func accountOf(ctx context.Context) *wrapperspb.StringValue {
	account, ok := middleware.AccountFrom(ctx)
	if !ok {
		return wrapperspb.String("")
	}
	return wrapperspb.String(account.ID())
}
