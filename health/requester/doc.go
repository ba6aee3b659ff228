// Package requester asks the Toloka platform which account an API token belongs to, by one
// GET /api/v1/requester, and says what the answer means for the token. Package health does
// this in the background for a service; use this package directly for a single question:
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
//		// the platform refuses the token
//	default:
//		// nothing has been learnt about the token
//	}
//
// Only two classes speak of the token, [Verified] and [Rejected]; the others must not be
// taken for a refusal. A refusal is a 401 or 403 that comes from the platform itself, by
// its error object or an empty body: that of a proxy or firewall is [Misdirected].
//
// The token goes into the Authorization header of that one request and nowhere else: not
// into an error, not along a redirect, not into a trace of the caller's context, and not
// over plain http off this machine. What an answer repeats of it is replaced by
// "[redacted]".
//
// Facts about the platform are from its public documentation, https://toloka.ai/docs/api/.
// Package requestertest has a fake of it for tests.
package requester
