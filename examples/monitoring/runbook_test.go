//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
)

func read(t *testing.T, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	return string(data)
}

// sections returns the sections of the runbook by anchor, and the anchors in their order.
func sections(t *testing.T) (byAnchor map[string]string, anchors []string) {
	t.Helper()
	byAnchor = map[string]string{}
	runbook := read(t, "..", "..", ".github", "docs", "operations.md")
	for _, section := range strings.Split(runbook, "\n### ")[1:] {
		anchor, text, _ := strings.Cut(section, "\n")
		byAnchor[anchor] = text
		anchors = append(anchors, anchor)
	}
	return byAnchor, anchors
}

// TestRunbook keeps reasons, alerts, log lines and the sections of the runbook together.
func TestRunbook(t *testing.T) {
	byAnchor, anchors := sections(t)
	var reasons []string
	overview := read(t, "..", "..", ".github", "docs", "operations.md")
	for r := health.ReasonClosed; r <= health.ReasonVerified; r++ {
		reasons = append(reasons, r.String())
		row := fmt.Sprintf("(?m)^\\| `%s` .*\\[`%s`\\]\\(#%[2]s\\)", r.Status(), r)
		assert.True(t, regexp.MustCompile(row).MatchString(overview), "%s is not in the table", r)
		assert.Contains(t, byAnchor[r.String()], "**Status:** `"+r.Status().String()+"`", r)
	}
	assert.Equal(t, reasons, anchors[:len(reasons)], "all reasons, in their order")

	logLine := regexp.MustCompile("\\*\\*Log:\\*\\* `([^`]+)`(?: with `reason=([^`]+)`)?")
	logger := read(t, "..", "..", "health", "log.go")
	for _, anchor := range anchors {
		for _, part := range []string{"Meaning", "Confirm", "Do", "Traffic", "Alert"} {
			assert.Contains(t, byAnchor[anchor], "- **"+part+":** ", anchor)
		}
		text := strings.Join(strings.Fields(byAnchor[anchor]), " ")
		line := logLine.FindStringSubmatch(text)
		if !slices.Contains(reasons, anchor) {
			assert.Nil(t, line, anchor)
			continue
		}
		require.NotNil(t, line, anchor)
		assert.Contains(t, logger, `"`+line[1]+`"`, "the log line of "+anchor)
		if line[2] != "" {
			assert.Equal(t, anchor, line[2])
		}
	}
}

func TestAlertsAndRunbook(t *testing.T) {
	byAnchor, _ := sections(t)
	documented := regexp.MustCompile("\\*\\*Alert:\\*\\* `(\\w+)` \\((\\w+)\\)")
	rule := regexp.MustCompile(`(?s)alert: (\w+)\n.*?severity: (\w+)\n.*?` +
		`runbook_url: https://github\.com/tolokacheck/tolokacheck/blob/main/` +
		`\.github/docs/operations\.md#([\w-]+)\n`)
	alerts := read(t, "alerts.yml")
	rules := rule.FindAllStringSubmatch(alerts, -1)
	require.Len(t, rules, strings.Count(alerts, "- alert:"))
	for _, r := range rules {
		name, severity, anchor := r[1], r[2], r[3]
		match := documented.FindStringSubmatch(byAnchor[anchor])
		require.NotNil(t, match, "%s links to #%s", name, anchor)
		assert.Equal(t, []string{name, severity}, match[1:], anchor)
	}
	for anchor, text := range byAnchor {
		if match := documented.FindStringSubmatch(text); match != nil {
			assert.Contains(t, alerts, "- alert: "+match[1]+"\n", anchor)
		}
	}
	reasons := regexp.MustCompile(`toloka_credential_reason{reason="(\w+)"`)
	for _, reason := range reasons.FindAllStringSubmatch(alerts, -1) {
		assert.Contains(t, byAnchor, reason[1])
	}
}
