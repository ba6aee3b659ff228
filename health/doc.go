// Package health monitors one Toloka API token: it loads the token, verifies it with the
// platform, follows its rotation, and says at any moment, without waiting, whether the service
// can rely on it. Use it in a service that works with the platform, together with the adapters
// in nethttp or echoadapter, which turn its verdict into health endpoints and a gate.
//
//	checker, err := health.New(credentials.Default(), health.WithLogger(slog.Default()))
//	if err != nil { … }
//	go server.ListenAndServe() // listen first: probes get answers while Start waits
//	if err := checker.Start(ctx); err != nil { … }
//	defer checker.Close()
//
// A [Checker] publishes an immutable [Snapshot] after every step. Its [Status] is pass, warn or
// fail, and its reasons say why:
//
//   - Only a verification improves a status.
//   - An outage of the platform turns pass into warn (stale), and into fail (unreachable) when
//     the last good answer is older than [WithMaxStale]. It never makes a token look refused.
//   - A refusal is confirmed before a token that worked is called rejected.
//   - What the platform answers about one token never changes when or how often another is
//     checked: a good token stays good, whatever a new one in the source does.
//
// Foreign code, such as providers, transports, log handlers and callbacks, runs in goroutines
// of its own. It may hang or panic without delaying a check.
package health
