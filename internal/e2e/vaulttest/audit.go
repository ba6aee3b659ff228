package vaulttest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
)

// Audit turns on Vault's audit log. The function it returns reads the requests logged so far, as
// "read secret/data/toloka".
func (s *Server) Audit() func() []string {
	s.tb.Helper()
	file := s.path("audit.log")
	s.Write("sys/audit/file", map[string]any{"type": "file",
		"options": map[string]any{"file_path": file}})
	return func() []string {
		s.tb.Helper()
		content, err := os.ReadFile(file)
		if err != nil {
			s.tb.Fatal(err)
		}
		var lines []string
		scanner := bufio.NewScanner(bytes.NewReader(content))
		scanner.Buffer(nil, len(content)+1)
		for scanner.Scan() {
			var entry struct {
				Type    string `json:"type"`
				Request struct {
					Operation string `json:"operation"`
					Path      string `json:"path"`
				} `json:"request"`
			}
			if err := json.Unmarshal(scanner.Bytes(), &entry); err != nil {
				s.tb.Fatal(err)
			}
			if entry.Type == "request" {
				lines = append(lines, entry.Request.Operation+" "+entry.Request.Path)
			}
		}
		return lines
	}
}
