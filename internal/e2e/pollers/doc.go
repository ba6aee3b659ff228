// Package pollers holds no code: its tests put the example services, as a user would run them, behind HAProxy, nginx and the
// Prometheus blackbox exporter, as a user would configure these (see testdata), and look at what they make of it when the
// credential dies and recovers, when the platform is away, and when a service stops.
//
// The servers have to be installed: ../install-servers.sh does that on Debian. Nothing is skipped where one is missing.
package pollers
