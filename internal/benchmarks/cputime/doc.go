// Package cputime says how much processor time a process has used. Beside wall time it shows two things: what something
// costs on a machine that is busy with other things too, and whether it costs more where more processors do it.
package cputime
