// Package sharing is one replica's side of a fleet's store: the keys that follow from a token, how
// answers are sealed, and bounded calls of the store. It decides nothing about a credential.
package sharing
