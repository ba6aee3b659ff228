package main

import (
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/metadata"
)

// registerTasks does what the code generated from a proto file does. It answers with the metadata
// that a gRPC server would get.
func registerTasks(gateway *runtime.ServeMux) error {
	return gateway.HandlePath(http.MethodGet, "/tasks",
		func(w http.ResponseWriter, r *http.Request, _ map[string]string) {
			ctx, err := runtime.AnnotateContext(r.Context(), gateway, r, "/tasks.v1.Tasks/Account")
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			md, _ := metadata.FromOutgoingContext(ctx)
			for _, id := range md.Get("toloka-account-id") {
				_, _ = w.Write([]byte(id))
			}
		})
}
