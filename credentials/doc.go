// Package credentials loads API tokens of the Toloka platform from where a service keeps its
// secrets, as values that cannot be printed by accident. Use it to hand a token to the rest of
// this module, or on its own as a type for secrets. A [Provider] reads its source at every call,
// so that a rotated token is seen without a restart:
//
//	token, err := credentials.Default().Token(ctx)
//	if err != nil {
//		return err // names every place that was looked at, and what to do
//	}
//	req.Header.Set("Authorization", "ApiKey "+token.Reveal())
package credentials
