package grpcadapter_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/middleware/grpcadapter"
)

const (
	serving    = healthpb.HealthCheckResponse_SERVING
	notServing = healthpb.HealthCheckResponse_NOT_SERVING
)

// follow returns a server, its client, and the function for OnChange.
func follow(t *testing.T, services ...string) (healthpb.HealthClient, func(old, new *health.Snapshot)) {
	t.Helper()
	healthServer := grpchealth.NewServer()
	onChange := grpcadapter.Follow(healthServer, services...)
	server := grpc.NewServer()
	healthpb.RegisterHealthServer(server, healthServer)
	return healthpb.NewHealthClient(dial(t, server)), onChange
}

func TestFollow(t *testing.T) {
	client, onChange := follow(t, "", "tasks.v1.Tasks")
	platform := requestertest.NewPlatform()
	requests, err := requester.New(requester.Sandbox, requester.WithHTTPClient(platform.Client()))
	require.NoError(t, err)
	token := platform.IssueToken("")
	c, err := health.New(credentials.Static(token.Reveal()), health.WithClient(requests),
		health.WithRejectionThreshold(1), health.OnChange(onChange))
	require.NoError(t, err)
	defer c.Close()

	var watches []healthpb.Health_WatchClient
	for _, service := range []string{"", "tasks.v1.Tasks"} {
		watch, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		require.NoError(t, err)
		watches = append(watches, watch)
	}
	expect := func(want healthpb.HealthCheckResponse_ServingStatus, step string) {
		t.Helper()
		for _, watch := range watches {
			got, err := watch.Recv()
			require.NoError(t, err)
			assert.Equal(t, want, got.GetStatus(), step)
		}
	}
	expect(notServing, "before Start")
	require.NoError(t, c.Start(t.Context()))
	expect(serving, "verified")
	platform.DeleteToken(token)
	require.Error(t, c.Refresh(t.Context()))
	expect(notServing, "rejected")
	platform.AcceptToken("", token)
	require.NoError(t, c.Refresh(t.Context()))
	expect(serving, "verified again")
	c.Drain()
	expect(notServing, "draining")
}

func TestFollow_snapshots(t *testing.T) {
	unreachable := health.State{
		Reasons: []health.Reason{health.ReasonUnreachable}, KeepReady: true, VerifiedAt: time.Now(),
	}
	pass := health.State{Reasons: []health.Reason{health.ReasonVerified}}
	draining := pass
	draining.Draining = true
	tests := map[string]struct {
		states []health.State
		want   healthpb.HealthCheckResponse_ServingStatus
	}{
		"none":                    {nil, notServing},
		"pass":                    {[]health.State{pass}, serving},
		"warn":                    {[]health.State{{Reasons: []health.Reason{health.ReasonStale}}}, serving},
		"fail":                    {[]health.State{pass, {}}, notServing},
		"ready while unreachable": {[]health.State{unreachable}, serving},
		"pass after draining":     {[]health.State{draining, pass}, notServing},
		"closed": {
			[]health.State{{Reasons: []health.Reason{health.ReasonClosed}}, pass}, notServing,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			client, onChange := follow(t)
			for _, state := range tt.states {
				onChange(nil, health.NewSnapshot(state))
			}
			got, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{})
			require.NoError(t, err)
			assert.Equal(t, tt.want, got.GetStatus())
		})
	}
	t.Run("other services", func(t *testing.T) {
		client, _ := follow(t, "tasks.v1.Tasks")
		got, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{})
		require.NoError(t, err)
		assert.Equal(t, serving, got.GetStatus(), "the default of package grpc/health")
		_, err = client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "unknown"})
		assert.Equal(t, codes.NotFound, status.Code(err))
	})
}
