package statuspage

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

var screenshots = flag.String("screenshots", "", "directory to write the pictures of the documentation to")

// axeVersion is the version of the npm package axe-core.
const axeVersion = "4.14.1"

// axe returns the source of axe-core, which npm installs in a temporary directory.
func axe(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	npm := exec.CommandContext(t.Context(), process.Find(t, "npm"), "install", "--prefix", dir,
		"--ignore-scripts", "--no-audit", "--no-fund", "axe-core@"+axeVersion)
	out, err := npm.CombinedOutput()
	require.NoError(t, err, "installing axe-core: %s", out)
	source, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	require.NoError(t, err)
	return string(source)
}

// browser starts Chromium.
func browser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(process.Find(t, "chromium")),
		chromedp.NoSandbox, // Chromium's sandbox refuses root
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-dev-shm-usage", true),
	)
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(ctx))
	return ctx
}

// tab is a page that was loaded with a screen and a colour scheme.
type tab struct {
	ctx context.Context
	mu  sync.Mutex
	// complaints are what the browser reported, such as violations of the policy.
	complaints []string
}

// collectViolations runs in the page before anything of the page does.
const collectViolations = `window.violations = [];
document.addEventListener("securitypolicyviolation",
	e => violations.push(e.violatedDirective + " " + e.blockedURI));`

func open(t *testing.T, parent context.Context, url string, width int64, scheme string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent)
	t.Cleanup(cancel)
	p := &tab{ctx: ctx}
	require.NoError(t, chromedp.Do(ctx)) // opens the tab
	require.NoError(t, chromedp.Listen(ctx, func(event any) {
		if entry, ok := event.(*cdplog.EventEntryAdded); ok {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.complaints = append(p.complaints, entry.Entry.Text)
		}
	}))
	call(t, ctx, cdplog.Enable, cdp.Empty{})
	call(t, ctx, cdppage.AddScriptToEvaluateOnNewDocument,
		cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: collectViolations})
	call(t, ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(width, 800), chromedp.Navigate(url)))
	return p
}

func call[P, R any](t *testing.T, ctx context.Context, command cdp.Command[P, R], params P) {
	t.Helper()
	_, err := chromedp.Call(ctx, command, params)
	require.NoError(t, err)
}

// evaluate returns the value of an expression, which may be a promise, in the page.
func evaluate[T any](t *testing.T, p *tab, expression string) T {
	t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	return value
}

// audit returns what axe-core finds.
func (p *tab) audit(t *testing.T, axe string) []string {
	t.Helper()
	evaluate[int](t, p, axe+";0")
	report := evaluate[string](t, p, `axe.run(document, {resultTypes: ["violations", "incomplete"]}).then(r =>
		JSON.stringify([...r.violations, ...r.incomplete].map(v =>
			v.id + ": " + v.help + " " + v.nodes.map(n => n.html + " " + n.failureSummary).join(" | "))))`)
	var found []string
	require.NoError(t, json.Unmarshal([]byte(report), &found))
	return found
}

// blocked returns what the browser reported and what the policy blocked.
func (p *tab) blocked(t *testing.T) []string {
	t.Helper()
	violations := evaluate[[]string](t, p, "violations")
	p.mu.Lock()
	defer p.mu.Unlock()
	return append(violations, p.complaints...)
}

// screenshot writes a picture of the page.
func (p *tab) screenshot(t *testing.T, name string) {
	t.Helper()
	data, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	require.NoError(t, err)
	picture, err := png.Decode(bytes.NewReader(data))
	require.NoError(t, err)
	assert.Greater(t, picture.Bounds().Dx(), 300)
	if *screenshots != "" {
		require.NoError(t, os.WriteFile(filepath.Join(*screenshots, name), data, 0o644))
	}
}
