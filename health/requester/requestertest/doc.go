// Package requestertest is a fake Toloka platform for tests and demonstrations. It has accounts,
// tokens, counts of requests, and the faults of a platform, a proxy and a network. It is for GET
// /api/v1/requester what net/http/httptest is for handlers.
//
//	platform := requestertest.NewPlatform()
//	token := platform.IssueToken("")
//	client, err := requester.New(requester.Sandbox, requester.WithHTTPClient(platform.Client()))
//
// In memory like this it works inside a testing/synctest bubble, where [Delay] and [Hang] take no
// real time. [NewServer] serves the same platform over TCP:
//
//	server := requestertest.NewServer()
//	defer server.Close()
//	client, err := requester.New(requester.Sandbox, requester.WithBaseURL(server.URL))
//
// Faults can be combined, and set for all requests or for those of one token:
//
//	platform.SetFaults(requestertest.Sequence(requestertest.Status(503), requestertest.Reset()))
//	platform.SetTokenFaults(token, requestertest.RateLimited("30"))
//
// # Testing a rejected token
//
// One refusal does not reject a token that was verified before: a health.Checker reports
// confirming_rejection, which keeps the gate open, and asks again after a second. A test that
// expects rejected after [Platform.DeleteToken] has two ways:
//
//   - create the checker with health.WithRejectionThreshold(1), and call Refresh once;
//   - inside a testing/synctest bubble, call Refresh, sleep for a second, and call Refresh again.
//
// # Testing with a fake checker
//
// A fake snapshot that is verified has an account only if the test sets one. [Account.Verified]
// makes it: requestertest.DefaultAccount().Verified().
//
// The answers follow the platform's public documentation.
package requestertest
