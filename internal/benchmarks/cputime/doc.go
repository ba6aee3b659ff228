// Package cputime reads the processor time that a process has used. Unlike wall time, it hardly
// depends on other work of the machine, and it shows whether work costs more on more processors.
package cputime
