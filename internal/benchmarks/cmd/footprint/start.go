package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// startup has medians.
type startup struct{ roundTrip, verified, over time.Duration }

// start times n starts of a checker, each on a connection of its own, in turn with hand-written
// requests.
func start(url string, n int) (startup, error) {
	var roundTrips, starts, over []time.Duration
	for range n {
		roundTrip, err := timed(func() error { return byHand(url) })
		if err != nil {
			return startup{}, err
		}
		verified, err := timed(func() error { return verify(url) })
		if err != nil {
			return startup{}, err
		}
		roundTrips, starts = append(roundTrips, roundTrip), append(starts, verified)
		over = append(over, verified-roundTrip)
	}
	return startup{median(roundTrips), median(starts), median(over)}, nil
}

func timed(f func() error) (time.Duration, error) {
	begin := time.Now()
	err := f()
	return time.Since(begin), err
}

// byHand makes the request without the library.
func byHand(url string) error {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequest(http.MethodGet, url+"/api/v1/requester", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "ApiKey "+token)
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the platform answered %s", resp.Status)
	}
	return nil
}

// verify makes the request with the library.
func verify(url string) error {
	checker, err := newChecker(url)
	if err != nil {
		return err
	}
	defer checker.Close()
	if err := checker.Start(context.Background()); err != nil {
		return err
	}
	return checker.Check(context.Background())
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2].Round(time.Microsecond)
}
