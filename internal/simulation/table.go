package simulation

import (
	"fmt"
	"strings"
	"time"
)

// Table returns the rows as a table in Markdown.
func Table(rows []Row) string {
	var b strings.Builder
	b.WriteString("| phase | calls to the platform | most in 1 s | most in 10 s " +
		"| Redis operations a second | most in 1 s | half know after | all know after " +
		"| changes of state | gates closed |\n")
	b.WriteString("| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %.0f | %.0f | %s | %s | %d | %s |\n",
			r.Phase, r.Calls, r.InSecond, r.InTen, r.Redis, r.RedisMax,
			took(r.Half), took(r.All)+told(r), r.Changes, closed(r))
	}
	return b.String()
}

func took(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d < 0:
		return "never"
	default:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
}

// told adds how long after the first refusal all knew.
func told(r Row) string {
	if r.Told <= 0 {
		return ""
	}
	return fmt.Sprintf(" (%s after the first refusal)", took(r.Told))
}

func closed(r Row) string {
	if r.Wrongly > 0 {
		return fmt.Sprintf("%d (%d wrongly)", r.Closed, r.Wrongly)
	}
	return fmt.Sprint(r.Closed)
}
