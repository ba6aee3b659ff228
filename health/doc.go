// Package health keeps an eye on one Toloka API token: it loads the token, verifies it with the platform, follows its
// rotation, and says at any moment, without waiting, whether the service can rely on it. Use it in a service that works with the
// platform, together with the adapters in nethttp or echoadapter, which turn its verdict into health endpoints and a gate.
//
//	checker, err := health.New(credentials.Default(), health.WithLogger(slog.Default()))
//	if err != nil { … }
//	go server.ListenAndServe() // listen first: probes get their answers while Start waits
//	if err := checker.Start(ctx); err != nil { … }
//	defer checker.Close()
//
// A [Checker] publishes an immutable [Snapshot] after every step. Its [Status] is pass, warn or fail, and its reasons say
// why. Only a verification improves a status. An outage of the platform turns pass and warn into warn (stale) and, when the
// last good answer has become older than [WithMaxStale], into fail (unreachable); it never makes a token look refused. One refusal
// is confirmed before a token that worked is called rejected.
//
// A [Verifier] is the part that talks to the platform: about one token at most once at a time, under a circuit
// breaker and within the platform's rate limit.
package health
