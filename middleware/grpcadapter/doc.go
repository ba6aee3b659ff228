// Package grpcadapter connects a credential checker to gRPC: interceptors that answer UNAVAILABLE
// while the credential is invalid, and the standard health service, which follows the checker.
//
//	healthServer := grpchealth.NewServer() // google.golang.org/grpc/health
//	checker, err := health.New(credentials.Default(),
//		health.OnChange(grpcadapter.Follow(healthServer, "", "tasks.v1.Tasks")))
//	…
//	server := grpc.NewServer(
//		grpc.ChainUnaryInterceptor(grpcadapter.UnaryServerInterceptor(checker)),
//		grpc.ChainStreamInterceptor(grpcadapter.StreamServerInterceptor(checker)),
//	)
//	healthpb.RegisterHealthServer(server, healthServer)
//
// In handlers, [middleware.AccountFrom] returns the verified account.
//
// The package is a module of its own, so that services without gRPC do not have gRPC, protobuf and
// genproto in their module graph, and so that gRPC, which requires a new Go early, does not decide
// which Go the others need.
package grpcadapter
