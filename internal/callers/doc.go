// Package callers verifies the tokens that requests bring, for package middleware. An [Engine]
// caches verdicts, limits and shares the calls to the platform, and decides whether a token is
// good. It knows nothing of HTTP but the Authorization header.
//
// # Lanes
//
// Tokens that were verified before and all others use separate lanes. Each lane has a circuit
// breaker, a hold after 429 answers, and a limit of calls in flight of its own; only unknown tokens
// are limited by the budget. A flood of made-up tokens therefore cannot delay, evict or close
// anything for a token that was verified.
//
// A breaker knows only that others got no answer. So that an outage for many accounts does not end
// the calls for the others, probes go first to the tokens that have failed the least, and a
// verified token is asked about in the background before it is too old, whatever the breaker or a
// hold says. No request waits for that call, and such calls leave some slots free.
//
// # Caches
//
// Verified tokens have a cache that nothing else can enter. The cache of refused tokens and of
// those without a verdict grows only by tokens that the platform was asked about.
//
// Both are W-TinyLFU caches of github.com/maypok86/otter/v2: a hit takes no lock, and new keys do
// not evict what is in use. .github/docs/speed.md compares it with other caches, which
// internal/benchmarks/cmd/caches measures.
//
// Entries do not expire in the caches. They carry their times, because an old verdict of a
// verified token still decides which lane it uses and whether it may pass during an outage.
package callers
