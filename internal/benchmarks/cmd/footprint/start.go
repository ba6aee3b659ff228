package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// startup is how long things take, in the median.
type startup struct{ roundTrip, verified, over time.Duration }

// start times n starts of a checker, each on a connection of its own, and the same call made by hand in turn with them.
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
		roundTrips, starts, over = append(roundTrips, roundTrip), append(starts, verified), append(over, verified-roundTrip)
	}
	return startup{median(roundTrips), median(starts), median(over)}, nil
}

func timed(f func() error) (time.Duration, error) {
	begin := time.Now()
	err := f()
	return time.Since(begin), err
}

// byHand is the least that a program does to verify a token.
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

// verify is the same by the library.
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
