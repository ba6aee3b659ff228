package statuspage

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/tolokacheck/tolokacheck/middleware"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStatusPage(t *testing.T) {
	audit := axe(t)
	chromium := browser(t)
	for name, states := range pages(t) {
		var opts []middleware.HealthOption
		if name == "several" {
			opts = append(opts, withCallers(t))
		}
		url := serve(t, states, opts...)
		for _, width := range []int64{1200, 360} {
			screen := map[int64]string{1200: "wide", 360: "phone"}[width]
			for _, scheme := range []string{"light", "dark"} {
				t.Run(name+"/"+screen+"/"+scheme, func(t *testing.T) {
					p := open(t, chromium, url, width, scheme)
					assert.Empty(t, p.audit(t, audit), "accessibility")
					assert.Empty(t, p.blocked(t), "Content-Security-Policy and the browser's log")

					root := "document.documentElement"
					assert.Zero(t, evaluate[int](t, p, root+".scrollWidth - "+root+".clientWidth"),
						"pixels that need scrolling sideways")
					background := evaluate[string](t, p, "getComputedStyle(document.body).backgroundColor")
					assert.Equal(t, map[string]string{
						"light": "rgb(246, 248, 250)", "dark": "rgb(13, 17, 23)",
					}[scheme], background, "the style is applied")
					p.screenshot(t, "status-"+name+map[int64]string{360: "-phone"}[width]+
						map[string]string{"dark": "-dark"}[scheme]+".png")
				})
			}
		}
	}
}

// TestStatusPage_text checks what a screen reader finds: names as text, and no markup from them.
func TestStatusPage_text(t *testing.T) {
	p := open(t, browser(t), serve(t, pages(t)["several"]), 1200, "light")
	type content struct {
		Title           string   `json:"title"`
		Scripts         int      `json:"scripts"`
		Images          int      `json:"images"`
		Direction       string   `json:"direction"`
		Statuses        []string `json:"statuses"`
		Regions         int      `json:"regions"`
		ScriptTextShown bool     `json:"scriptTextShown"`
	}
	found := evaluate[content](t, p, `({
		title: document.title,
		scripts: document.scripts.length,
		images: document.images.length,
		direction: getComputedStyle(document.querySelector("h2 bdi")).direction,
		statuses: [...document.querySelectorAll(".status")].map(e => e.textContent),
		regions: document.querySelectorAll("section[aria-labelledby]").length,
		scriptTextShown: document.body.innerText.includes('<script>document.title="hacked"'),
	})`)
	assert.Equal(t, "fail: Toloka credentials", found.Title)
	assert.Zero(t, found.Scripts)
	assert.Zero(t, found.Images)
	assert.Equal(t, "rtl", found.Direction, "an Arabic name")
	assert.Equal(t, []string{"warn", "warn", "fail", "fail"}, found.Statuses)
	assert.Equal(t, 4, found.Regions)
	assert.True(t, found.ScriptTextShown)
}
