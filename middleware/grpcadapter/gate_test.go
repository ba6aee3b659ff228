package grpcadapter_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/middleware/grpcadapter"
)

// newServer returns a server of the test's service behind the interceptors.
func newServer(c *checker) *grpc.Server {
	server := grpc.NewServer(
		grpc.UnaryInterceptor(grpcadapter.UnaryServerInterceptor(c)),
		grpc.StreamInterceptor(grpcadapter.StreamServerInterceptor(c)),
	)
	server.RegisterService(&tasks, nil)
	healthpb.RegisterHealthServer(server, grpchealth.NewServer())
	return server
}

func unary(ctx context.Context, conn *grpc.ClientConn) (string, error) {
	out := &wrapperspb.StringValue{}
	err := conn.Invoke(ctx, unaryMethod, &emptypb.Empty{}, out)
	return out.GetValue(), err
}

func stream(ctx context.Context, conn *grpc.ClientConn) (string, error) {
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, streamMethod)
	if err != nil {
		return "", err
	}
	if err := s.SendMsg(&emptypb.Empty{}); err != nil {
		return "", err
	}
	if err := s.CloseSend(); err != nil {
		return "", err
	}
	out := &wrapperspb.StringValue{}
	err = s.RecvMsg(out)
	return out.GetValue(), err
}

func TestInterceptors(t *testing.T) {
	for name, call := range map[string]func(context.Context, *grpc.ClientConn) (string, error){
		"unary": unary, "stream": stream,
	} {
		for reason := health.ReasonClosed; reason <= health.ReasonVerified; reason++ {
			t.Run(name+"/"+reason.String(), func(t *testing.T) {
				c := &checker{}
				c.set(t, reason, 6500*time.Millisecond)
				account, err := call(t.Context(), dial(t, newServer(c)))
				if reason.Status() != health.StatusFail {
					require.NoError(t, err)
					assert.Equal(t, accountID, account)
					return
				}
				assertUnavailable(t, err, 7*time.Second)
			})
		}
	}
	t.Run("no delay", func(t *testing.T) {
		c := &checker{}
		c.set(t, health.ReasonRejected, 0)
		_, err := unary(t.Context(), dial(t, newServer(c)))
		assertUnavailable(t, err, time.Second)
	})
	t.Run("no snapshot", func(t *testing.T) {
		_, err := unary(t.Context(), dial(t, newServer(&checker{})))
		assertUnavailable(t, err, time.Second)
	})
	t.Run("health service", func(t *testing.T) {
		c := &checker{}
		c.set(t, health.ReasonRejected, time.Second)
		client := healthpb.NewHealthClient(dial(t, newServer(c)))
		_, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{})
		require.NoError(t, err)
		watch, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{})
		require.NoError(t, err)
		_, err = watch.Recv()
		require.NoError(t, err)
	})
	t.Run("nil checker", func(t *testing.T) {
		assert.Panics(t, func() { grpcadapter.UnaryServerInterceptor(nil) })
		assert.Panics(t, func() { grpcadapter.StreamServerInterceptor((*checker)(nil)) })
	})
}

// assertUnavailable asserts the complete status of a rejected call.
func assertUnavailable(t *testing.T, err error, retry time.Duration) {
	t.Helper()
	s := status.Convert(err)
	assert.Equal(t, codes.Unavailable, s.Code())
	assert.Equal(t, "Service Unavailable", s.Message())
	require.Len(t, s.Details(), 1)
	info, ok := s.Details()[0].(*errdetails.RetryInfo)
	require.True(t, ok)
	assert.Equal(t, retry, info.GetRetryDelay().AsDuration())
}
