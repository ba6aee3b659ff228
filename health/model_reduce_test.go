package health_test

import "slices"

// reduce leaves out of a script what its failure does not need. err is how the script fails.
func reduce(s modelScript, err error, run func(modelScript) error) (modelScript, error) {
	try := func(smaller modelScript) bool {
		if !smaller.inTime() {
			return false
		}
		e := run(smaller)
		if e == nil {
			return false
		}
		s, err = smaller, e
		return true
	}
	for again := true; again; {
		again = false
		for size := max(1, len(s.steps)/2); size > 0; size /= 2 {
			for i := 0; i+size <= len(s.steps); {
				smaller := s
				smaller.steps = slices.Delete(slices.Clone(s.steps), i, i+size)
				if try(smaller) {
					again = true
				} else {
					i += size
				}
			}
		}
	}
	for _, simpler := range []func(*modelScript){
		func(s *modelScript) { s.config = defaultConfig() },
		func(s *modelScript) {
			plain := defaultConfig()
			plain.several, plain.pollable, plain.jitter = s.config.several, s.config.pollable, s.config.jitter
			s.config = plain
		},
		func(s *modelScript) { s.config.pollable = false },
		func(s *modelScript) { s.config.stuck = false },
		func(s *modelScript) { s.config.jitter = []float64{0.5} },
		func(s *modelScript) { s.config.readyWhileUnreachable = false },
		func(s *modelScript) { s.config.requireVerified = false },
		func(s *modelScript) { s.config.lowBalanceFails, s.config.watchBalance = false, false },
		func(s *modelScript) { s.config.expectAccount, s.config.expectCompany = false, false },
		func(s *modelScript) { s.config.allowAccountChange = false },
		func(s *modelScript) { s.config.threshold = 2 },
		func(s *modelScript) { s.config.breakerFailures = 3 },
		func(s *modelScript) { s.holding = []int{0} },
		func(s *modelScript) { s.answers[0] = modelAnswer{account: 1} },
		func(s *modelScript) { s.answers[1] = modelAnswer{account: 1} },
		func(s *modelScript) { s.answers[2] = modelAnswer{account: 1} },
		func(s *modelScript) { s.answers[3] = modelAnswer{account: 1} },
	} {
		smaller := s
		smaller.steps = slices.Clone(s.steps)
		simpler(&smaller)
		try(smaller)
	}
	for i := range s.steps {
		for _, simpler := range []func(*modelStep){
			func(step *modelStep) { step.action = doNothing },
			func(step *modelStep) { step.answer.after = 0 },
			func(step *modelStep) { step.then = 0 },
			func(step *modelStep) { step.holding = step.holding[:min(1, len(step.holding))] },
		} {
			smaller := s
			smaller.steps = slices.Clone(s.steps)
			simpler(&smaller.steps[i])
			try(smaller)
		}
	}
	return s, err
}

// inTime reports whether every answer takes less than the client's timeout.
func (s modelScript) inTime() bool {
	late := func(a modelAnswer) bool { return a.after >= s.config.timeout }
	return !slices.ContainsFunc(s.answers[:], late) &&
		!slices.ContainsFunc(s.steps, func(step modelStep) bool { return late(step.answer) })
}
