package grpcadapter

import (
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tolokacheck/tolokacheck/health"
)

// Follow returns a function for [health.OnChange] that keeps the status of services in server like
// the readiness of the checker: SERVING or NOT_SERVING. Name the services that need the credential,
// and "" for the server as a whole, which grpc_health_probe and Kubernetes ask for by default.
// Without services, it is "".
//
// Until the first change they are NOT_SERVING. When the checker drains or is closed, Follow calls
// server.Shutdown, which makes all services of the server NOT_SERVING for good. Clients that watch
// a service get every change; gRPC joins changes that a client is too slow to read.
//
// A service with a callback of its own calls both from it.
func Follow(server *grpchealth.Server, services ...string) func(old, new *health.Snapshot) {
	if len(services) == 0 {
		services = []string{""}
	}
	set := func(status healthpb.HealthCheckResponse_ServingStatus) {
		for _, service := range services {
			server.SetServingStatus(service, status)
		}
	}
	set(healthpb.HealthCheckResponse_NOT_SERVING) // a new Server says that "" is SERVING
	return func(_, snapshot *health.Snapshot) {
		switch {
		case snapshot.State().Draining, snapshot.Reason() == health.ReasonClosed:
			server.Shutdown()
		case snapshot.Ready():
			set(healthpb.HealthCheckResponse_SERVING)
		default:
			set(healthpb.HealthCheckResponse_NOT_SERVING)
		}
	}
}
