// Package requester asks the Toloka platform which account an API token belongs to. It makes one
// call, GET /api/v1/requester, and classifies the answer. Package health does this in the
// background for a service; use this package directly for a single call:
//
//	client, err := requester.New(requester.Production)
//	if err != nil {
//		return err
//	}
//	account, err := client.Requester(ctx, token)
//	switch requester.ClassOf(err) {
//	case requester.Verified:
//		log.Print("hello, ", account.Name())
//	case requester.Rejected:
//		// the platform rejects the token
//	default:
//		// the outcome says nothing about the token
//	}
//
// Only the classes [Verified] and [Rejected] say something about the token. Do not treat any other
// as a rejection. A rejection is a 401 or 403 of the platform itself, with its error object or
// without a body; a 401 or 403 of a proxy or firewall is [Misdirected].
//
// The token is sent in the Authorization header of that one request only. It does not appear in
// errors, is not sent along a redirect, is not visible to a trace in the caller's context, and is
// not sent over plain http to another machine. If an answer repeats it, it is replaced by
// "[redacted]".
//
// Facts about the platform are from its public documentation, https://toloka.ai/docs/api/. For
// tests, package requestertest has a fake platform.
package requester
