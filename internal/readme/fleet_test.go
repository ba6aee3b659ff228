package readme

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/redisstore"
)

func Example_fleet() {
	err := func() error {
		client := redis.NewClient(&redis.Options{
			Addr:                  "redis:6379",
			ContextTimeoutEnabled: true, // required: operations end with their context
			MaxRetries:            -1,   // the next check is the retry
			DialerRetries:         1,    // errors say why the server is not reached
		})
		defer client.Close() // after the checker
		store, err := redisstore.New(client)
		if err != nil {
			return err
		}
		checker, err := health.New(credentials.Default(), health.WithShared(store))
		if err != nil {
			return err
		}
		fmt.Println(checker.Stats().Shared.Mode)
		return checker.Close()
	}()
	fmt.Println(err)
	// Output:
	// active
	// <nil>
}

// TestFleetDocument compares fleet.md with the texts of the code that it repeats.
func TestFleetDocument(t *testing.T) {
	text := read(t, ".github/docs/fleet.md")
	packageDoc := read(t, "health/redisstore/doc.go")
	for line := range strings.Lines(text) {
		if line, ok := strings.CutPrefix(strings.TrimSpace(line), "ACL SETUSER "); ok {
			assert.Contains(t, strings.Join(strings.Fields(strings.ReplaceAll(packageDoc, "//", " ")), " "), line)
		}
		if cells := strings.Split(line, "`"); strings.HasPrefix(line, "| `toloka credential: ") {
			assert.Contains(t, read(t, "health/log.go"), `"`+cells[1]+`"`)
		}
	}
	assert.Contains(t, text, "ACL SETUSER ")
}
