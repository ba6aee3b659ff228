package vaulttest

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Agent runs a Vault Agent until the end of the test. The address of the Vault is added to the
// configuration.
func (s *Server) Agent(config string) {
	s.tb.Helper()
	file := s.path("agent.hcl")
	config = strings.Join([]string{config, `vault { address = "` + s.Address + `" }`}, "\n")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		s.tb.Fatal(err)
	}
	output := &log{}
	agent := exec.Command(Binary(s.tb), "agent", "-config="+file)
	agent.Env = []string{"HOME=" + s.dir}
	agent.Stdout, agent.Stderr = output, output
	if err := agent.Start(); err != nil {
		s.tb.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = agent.Wait()
	}()
	s.tb.Cleanup(func() {
		_ = agent.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(stopTimeout):
			_ = agent.Process.Kill()
			<-exited
		}
		if s.tb.Failed() {
			s.tb.Logf("output of the Vault Agent:\n%s", output)
		}
	})
}
