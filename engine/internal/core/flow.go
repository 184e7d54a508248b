package core

import "time"

// inflow is the receive window of a channel or of the connection: a peer's fault is returned, our own
// panics.
//
//	size = window + what the application has not consumed + owed
type inflow struct {
	window uint32 // what the peer may send
	owed   uint32 // consumed and not granted yet
	size   uint32 // what the peer may have sent or kept in all
}

// open is the window at its start.
func (f *inflow) open(size int) { *f = inflow{window: uint32(size), size: uint32(size)} }

// take books n bytes that arrived and returns whether the peer was allowed to send them.
func (f *inflow) take(n int) bool {
	if uint32(n) > f.window {
		return false
	}
	f.window -= uint32(n)
	return true
}

// unconsumed is what the application has and did not consume.
func (f *inflow) unconsumed() uint32 { return f.size - f.window - f.owed }

// consume books n bytes as consumed. More than is unconsumed counts as all of it.
func (f *inflow) consume(n uint32) {
	f.owed += min(n, f.unconsumed())
}

// grant moves what is owed into the window and returns it.
func (f *inflow) grant(m *meter) uint32 {
	n := f.owed
	if f.window+n > f.size {
		panic("core: granting more than was consumed")
	}
	f.window, f.owed = f.window+n, 0
	m.granted += n
	return n
}

// grow enlarges the window by n bytes, which are owed.
func (f *inflow) grow(n uint32, m *meter) {
	f.size, f.owed = f.size+n, f.owed+n
	m.granted -= n
}

// shrink makes the window at most n bytes smaller, by not granting what is owed, and returns by how much.
func (f *inflow) shrink(n uint32, m *meter) uint32 {
	n = min(n, f.owed)
	f.size, f.owed = f.size-n, f.owed-n
	m.granted += n
	return n
}

// meter tells how fast a window is consumed. What was consumed since mark is granted + what is owed: so it has
// nothing to do for each frame.
type meter struct {
	granted uint32 // it wraps
	mark    uint32 // in microseconds
}

// rate is how many bytes of f are consumed in a round trip at the speed of late, and true if it is time to tell: a
// round trip after it was told last, and some milliseconds, since data comes in bursts.
func (m *meter) rate(f *inflow, now, rtt time.Duration) (n uint64, ok bool) {
	passed := ofMicroseconds(microseconds(now) - m.mark)
	if passed < max(rtt, burst) {
		return 0, false
	}
	n = uint64(float64(m.granted+f.owed) * float64(rtt) / float64(passed))
	*m = meter{-f.owed, microseconds(now)}
	return n, true
}

// outflow is a send window: what we may send.
type outflow uint32

// add enlarges the window and returns whether it may be that large.
func (f *outflow) add(n uint32) bool {
	if uint64(*f)+uint64(n) > maxWindow {
		return false
	}
	*f += outflow(n)
	return true
}

// take books n bytes as sent.
func (f *outflow) take(n int) {
	if uint32(n) > uint32(*f) {
		panic("core: sending more than the window holds")
	}
	*f -= outflow(n)
}
