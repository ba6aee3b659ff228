package grpcadapter_test

import (
	"context"
	"fmt"
	"log"

	"google.golang.org/grpc"
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/middleware/grpcadapter"
)

// A server whose calls are rejected, and whose health service says NOT_SERVING, while the
// credential is invalid.
func Example() {
	// A fake platform stands in for the real one. A service calls health.New(credentials.Default()).
	platform := requestertest.NewPlatform()
	client, err := requester.New(requester.Production, requester.WithHTTPClient(platform.Client()))
	if err != nil {
		log.Fatal(err)
	}
	token := credentials.Static(platform.IssueToken("").Reveal())

	healthServer := grpchealth.NewServer()
	changed := make(chan struct{}, 10)
	follow := grpcadapter.Follow(healthServer, "", "tasks.v1.Tasks")
	checker, err := health.New(token, health.WithClient(client),
		health.OnChange(func(old, new *health.Snapshot) { // a service passes follow itself
			follow(old, new)
			if old.Ready() != new.Ready() {
				changed <- struct{}{}
			}
		}))
	if err != nil {
		log.Fatal(err)
	}
	defer checker.Close()
	server := grpc.NewServer(
		grpc.ChainUnaryInterceptor(grpcadapter.UnaryServerInterceptor(checker)),
		grpc.ChainStreamInterceptor(grpcadapter.StreamServerInterceptor(checker)),
	)
	healthpb.RegisterHealthServer(server, healthServer)
	// go server.Serve(listener)

	ctx := context.Background()
	show := func() {
		res, err := healthServer.Check(ctx, &healthpb.HealthCheckRequest{Service: "tasks.v1.Tasks"})
		fmt.Println(res.GetStatus(), err)
	}
	show()
	if err := checker.Start(ctx); err != nil {
		log.Fatal(err)
	}
	<-changed
	show()
	checker.Drain()
	<-changed
	show()
	// Output:
	// NOT_SERVING <nil>
	// SERVING <nil>
	// NOT_SERVING <nil>
}
