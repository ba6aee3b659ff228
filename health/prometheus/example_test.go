package prometheus_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	tolokaprom "github.com/tolokacheck/tolokacheck/health/prometheus"
)

// One collector has all checkers of the process.
func Example() {
	payments, err := health.New(credentials.Env("PAYMENTS_TOKEN"), health.WithName("payments"))
	if err != nil {
		log.Fatal(err)
	}
	defer payments.Close()
	reports, err := health.New(credentials.Env("REPORTS_TOKEN"), health.WithName("reports"))
	if err != nil {
		log.Fatal(err)
	}
	defer reports.Close()

	registry := prom.NewRegistry() // or prom.DefaultRegisterer
	registry.MustRegister(tolokaprom.NewCollector(payments, reports))
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})

	response := httptest.NewRecorder()
	metrics.ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(response.Body.String()) {
		if strings.HasPrefix(line, "toloka_credential_status{") {
			fmt.Print(line)
		}
	}
	// Output:
	// toloka_credential_status{name="payments",status="fail"} 1
	// toloka_credential_status{name="payments",status="pass"} 0
	// toloka_credential_status{name="payments",status="warn"} 0
	// toloka_credential_status{name="reports",status="fail"} 1
	// toloka_credential_status{name="reports",status="pass"} 0
	// toloka_credential_status{name="reports",status="warn"} 0
}
