package grpcadapter

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tolokacheck/tolokacheck/middleware"
)

// UnaryServerInterceptor returns an interceptor that lets calls through while the credential is
// valid (pass or warn), with the verified account in their context; see [middleware.AccountFrom].
//
// While it is not (fail), calls get the status UNAVAILABLE with a RetryInfo, in which there is
// nothing of the reason. Clients may repeat such a call, because it has not reached the handler.
//
// The standard health service is always let through. To exempt others, wrap the interceptor, for
// example with the selector of go-grpc-middleware.
//
// UnaryServerInterceptor panics if the checker is nil.
func UnaryServerInterceptor(c middleware.Snapshotter) grpc.UnaryServerInterceptor {
	g := newGate(c)
	return func(
		ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler,
	) (any, error) {
		ctx, err := g.admit(ctx, info.FullMethod)
		if err != nil {
			return nil, err
		}
		return handler(ctx, req)
	}
}

// StreamServerInterceptor is [UnaryServerInterceptor] for streams. It decides when a stream begins;
// one that is open stays open. StreamServerInterceptor panics if the checker is nil.
func StreamServerInterceptor(c middleware.Snapshotter) grpc.StreamServerInterceptor {
	g := newGate(c)
	return func(
		srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler,
	) error {
		ctx, err := g.admit(stream.Context(), info.FullMethod)
		if err != nil {
			return err
		}
		return handler(srv, &admitted{stream, ctx})
	}
}

// gate is what the interceptors share.
type gate struct{ core *middleware.Gate }

func newGate(c middleware.Snapshotter) gate {
	core, err := middleware.NewGate(c, middleware.WithAccountInContext())
	if err != nil {
		panic(err)
	}
	return gate{core}
}

// admit returns the context for the handler, or the status of a rejected call.
func (g gate) admit(ctx context.Context, method string) (context.Context, error) {
	if strings.HasPrefix(method, "/"+healthpb.Health_ServiceDesc.ServiceName+"/") {
		return ctx, nil
	}
	// The core is made for requests of HTTP. Of this one it only uses the context.
	request, rejection := g.core.Admit(new(http.Request).WithContext(ctx))
	if rejection != nil {
		return nil, unavailable(rejection)
	}
	return request.Context(), nil
}

// unavailable returns the status of a rejected call, with the delay of the HTTP response.
func unavailable(rejection *middleware.Rejection) error {
	header := http.Header{}
	rejection.SetHeader(header)
	seconds, _ := strconv.Atoi(header.Get("Retry-After")) // a whole number, at least 1
	delay := durationpb.New(time.Duration(seconds) * time.Second)

	s := status.New(codes.Unavailable, http.StatusText(http.StatusServiceUnavailable))
	detailed, err := s.WithDetails(&errdetails.RetryInfo{RetryDelay: delay})
	if err != nil { // only if the detail cannot be marshalled
		return s.Err()
	}
	return detailed.Err()
}

// admitted is a stream whose context has the account.
type admitted struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *admitted) Context() context.Context { return s.ctx }
