package logging

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
	"go.uber.org/zap/zapcore"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

func TestLoggers(t *testing.T) {
	tests := map[string]struct {
		handler        func(io.Writer) slog.Handler
		level, message string // the keys
		service        string // the key of an attribute from before the group
		group          func(line map[string]any) map[string]any
	}{
		"zap": {
			func(w io.Writer) slog.Handler {
				encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
				return zapslog.NewHandler(zapcore.NewCore(encoder, zapcore.AddSync(w), zap.InfoLevel))
			},
			"level", "msg", "service", object,
		},
		"zerolog": {
			func(w io.Writer) slog.Handler { return zerolog.NewSlogHandler(zerolog.New(w)) },
			"level", "message", "toloka.service", prefixed,
		},
		"logrus": {
			func(w io.Writer) slog.Handler {
				logger := logrus.New()
				logger.SetOutput(w)
				logger.SetFormatter(&logrus.JSONFormatter{})
				return NewLogrusHandler(logger)
			},
			"level", "msg", "service", prefixed,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			logger := slog.New(tt.handler(&log)).With("service", "tasks").WithGroup("toloka")
			token := life(t, logger)

			lines := decode(t, &log)
			require.Len(t, lines, 3)
			verified, refused, closed := lines[0], lines[1], lines[2]
			assert.Equal(t, "info", verified[tt.level])
			assert.Equal(t, "toloka credential verified", verified[tt.message])
			assert.Equal(t, "tasks", verified[tt.service])
			fields := tt.group(verified)
			assert.Equal(t, "sandbox", fields["environment"])
			assert.Equal(t, requestertest.DefaultAccount().ID, fields["account.id"])
			assert.Equal(t, token.Fingerprint(), fields["token.fingerprint"])
			assert.IsType(t, float64(0), fields["latency_ms"], "a number")

			assert.Equal(t, "error", refused[tt.level])
			assert.Equal(t, "toloka credential cannot be used", refused[tt.message])
			assert.Equal(t, "rejected", tt.group(refused)["reason"])

			assert.Equal(t, "toloka credential checker closed", closed[tt.message])
			assert.NotContains(t, log.String(), token.Reveal())
		})
	}
}

// life lets a checker log a verification, a refusal and its end.
func life(t *testing.T, logger *slog.Logger) credentials.Token {
	t.Helper()
	platform := requestertest.NewPlatform()
	client, err := requester.New(requester.Sandbox, requester.WithHTTPClient(platform.Client()))
	require.NoError(t, err)
	token := platform.IssueToken("")
	checker, err := health.New(credentials.Static(token.Reveal()), health.WithClient(client),
		health.WithLogger(logger), health.WithRejectionThreshold(1))
	require.NoError(t, err)
	defer checker.Close()
	require.NoError(t, checker.Start(t.Context()))
	platform.DeleteToken(token)
	require.Error(t, checker.Refresh(t.Context()))
	require.NoError(t, checker.Close()) // waits for the lines
	return token
}

func decode(t *testing.T, log *bytes.Buffer) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for _, text := range bytes.Split(bytes.TrimSpace(log.Bytes()), []byte("\n")) {
		line := map[string]any{}
		require.NoError(t, json.Unmarshal(text, &line), string(text))
		lines = append(lines, line)
	}
	return lines
}

// object returns the fields of a group that is an object.
func object(line map[string]any) map[string]any {
	fields, _ := line["toloka"].(map[string]any)
	return fields
}

// prefixed returns the fields of a group that is a prefix.
func prefixed(line map[string]any) map[string]any {
	fields := map[string]any{}
	for key, value := range line {
		if len(key) > len("toloka.") && key[:len("toloka.")] == "toloka." {
			fields[key[len("toloka."):]] = value
		}
	}
	return fields
}

func TestLogrusHandler(t *testing.T) {
	var log bytes.Buffer
	logger := logrus.New()
	logger.SetOutput(&log)
	logger.SetFormatter(&logrus.JSONFormatter{})
	root := slog.New(NewLogrusHandler(logger))

	root.Debug("not enabled")
	root.With("a", 1).WithGroup("").WithGroup("g").With("b", slog.GroupValue(slog.Int("c", 2))).
		Warn("line", "d", time.Second, slog.Group("", slog.Bool("e", true)))
	lines := decode(t, &log)
	require.Len(t, lines, 1)
	delete(lines[0], "time")
	assert.Equal(t, map[string]any{
		"level": "warning", "msg": "line", "a": 1.0, "g.b.c": 2.0, "g.d": 1e9, "g.e": true,
	}, lines[0])
}
