// Command connect has the health endpoints and a gate with connect-go.
package main

import (
	"context"
	"net"
	"net/http"

	"connectrpc.com/connect"
	"github.com/tolokacheck/tolokacheck/examples/wiring/internal/service"
	"github.com/tolokacheck/tolokacheck/middleware"
	"github.com/tolokacheck/tolokacheck/nethttp"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const procedure = "/tasks.v1.Tasks/Account" // generated code has this and the handler's path

func main() { service.Run(serve) }

// serve gates a service; connect's clients get its 503 as unavailable in all three protocols.
func serve(checker middleware.Snapshotter, listener net.Listener) error {
	mux := http.NewServeMux()
	nethttp.RegisterHealth(mux, checker)
	gate := nethttp.Gate(checker, middleware.WithAccountInContext())
	mux.Handle("/tasks.v1.Tasks/", gate(connect.NewUnaryHandler(procedure, account)))
	server := &http.Server{Handler: mux, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true) // for gRPC
	return server.Serve(listener)
}

func account(
	ctx context.Context, _ *connect.Request[emptypb.Empty],
) (*connect.Response[wrapperspb.StringValue], error) {
	account, _ := middleware.AccountFrom(ctx)
	return connect.NewResponse(wrapperspb.String(account.ID())), nil
}
