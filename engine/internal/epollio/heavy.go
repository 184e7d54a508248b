//go:build linux

package epollio

const (
	// heavyBytes is from how many bytes sent in a turn on a connection is heavy.
	heavyBytes = 64 << 10

	// heavyShare is how many events of heavy connections come before one of them is served, if there are so many.
	heavyShare = 64
)

// heavy is the connections whose last turn was long: it read all it was allowed to, which is what is handled in some
// microseconds (loop.Conn.Gulp), or sent much. They mostly have more to do, so those with little to do are served
// before them: not each heavy connection at each of its events, but now and then one, the one that has waited longest.
// The poller goes on to report them. So whoever has little to do waits for a few long turns, and not for one of each
// heavy connection.
type heavy struct {
	n      int     // how many there are
	queue  []*conn // those that were reported and wait
	passed int     // events since the last turn
}

// note counts c, which was served, among the heavy or not.
func (h *heavy) note(c *conn, heavy bool) {
	if heavy && !c.heavy {
		h.n++
	} else if !heavy && c.heavy {
		h.n--
	}
	c.heavy = heavy
}

// turn puts c, a heavy connection that was reported, behind the others, and returns whose turn it is now: nil for
// nobody's.
func (h *heavy) turn(c *conn) *conn {
	if !c.waits {
		c.waits = true
		h.queue = append(h.queue, c)
	}
	if h.passed++; h.passed < min(heavyShare, h.n) {
		return nil
	}
	h.passed = 0
	c = h.queue[0]
	h.queue[0] = nil
	h.queue = h.queue[1:]
	c.waits = false
	return c
}
