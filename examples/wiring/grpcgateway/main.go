// Command grpcgateway has the health endpoints and a gate with grpc-gateway.
package main

import (
	"context"
	"net"
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/tolokacheck/tolokacheck/examples/wiring/internal/service"
	"github.com/tolokacheck/tolokacheck/middleware"
	"github.com/tolokacheck/tolokacheck/nethttp"
	"google.golang.org/grpc/metadata"
)

func main() { service.Run(serve) }

func serve(checker middleware.Snapshotter, listener net.Listener) error {
	gateway := runtime.NewServeMux(runtime.WithMetadata(accountMetadata))
	if err := registerTasks(gateway); err != nil { // the generated RegisterTasksHandler
		return err
	}
	mux := http.NewServeMux()
	nethttp.RegisterHealth(mux, checker)
	mux.Handle("/tasks", nethttp.Gate(checker, middleware.WithAccountInContext())(gateway))
	return http.Serve(listener, mux)
}

// accountMetadata sends the account to the gRPC server, which does not have the context of the
// HTTP request.
func accountMetadata(ctx context.Context, _ *http.Request) metadata.MD {
	account, _ := middleware.AccountFrom(ctx)
	return metadata.Pairs("toloka-account-id", account.ID())
}
