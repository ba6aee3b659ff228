package requestertest

// InFlight returns the number of requests that have arrived and are not answered yet.
func (p *Platform) InFlight() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inFlight
}
