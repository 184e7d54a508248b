package core

// inflow is the receive window of a channel: a peer's fault is returned, our own panics.
//
//	start = what the peer may send + what the application has not consumed + what is owed
type inflow struct {
	window uint32 // what the peer may send
	owed   uint32 // consumed and not granted yet
}

// take books n bytes that arrived and returns whether the peer was allowed to send them.
func (f *inflow) take(n int) bool {
	if uint32(n) > f.window {
		return false
	}
	f.window -= uint32(n)
	return true
}

// unconsumed is what the application has and did not consume, of a window that was start once.
func (f *inflow) unconsumed(start uint32) uint32 { return start - f.window - f.owed }

// consume books n bytes as consumed. More than is unconsumed counts as all of it.
func (f *inflow) consume(n, start uint32) { f.owed += min(n, f.unconsumed(start)) }

// grant moves what is owed into the window and returns it.
func (f *inflow) grant(start uint32) uint32 {
	n := f.owed
	if f.window+n > start {
		panic("core: granting more than was consumed")
	}
	f.window, f.owed = f.window+n, 0
	return n
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
