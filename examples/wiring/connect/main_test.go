package main

import (
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tolokacheck/tolokacheck/examples/wiring/internal/wiringtest"
	"github.com/tolokacheck/tolokacheck/health"
)

func TestWiring(t *testing.T) { wiringtest.Health(t, serve) }

func TestGate(t *testing.T) {
	http2 := &http.Transport{Protocols: new(http.Protocols)}
	http2.Protocols.SetUnencryptedHTTP2(true)
	defer http2.CloseIdleConnections()
	for name, option := range map[string]connect.ClientOption{
		"connect":  connect.WithProtoJSON(),
		"gRPC":     connect.WithGRPC(),
		"gRPC-Web": connect.WithGRPCWeb(),
	} {
		t.Run(name, func(t *testing.T) {
			checker := wiringtest.NewChecker(t, health.ReasonVerified)
			client := connect.NewClient[emptypb.Empty, wrapperspb.StringValue](
				&http.Client{Transport: http2}, wiringtest.Serve(t, serve, checker)+procedure, option)

			res, err := client.CallUnary(t.Context(), connect.NewRequest(&emptypb.Empty{}))
			require.NoError(t, err)
			assert.Equal(t, wiringtest.AccountID, res.Msg.GetValue())

			checker.Set(t, health.ReasonRejected)
			_, err = client.CallUnary(t.Context(), connect.NewRequest(&emptypb.Empty{}))
			assert.Equal(t, connect.CodeUnavailable, connect.CodeOf(err), "%v", err)
		})
	}
}
