// Package fleet runs three replicas of examples/fleet with one fake platform and a real Redis that
// breaks.
package fleet
