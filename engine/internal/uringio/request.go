//go:build linux

package uringio

// request is what a completion is about.
type request uint8

const (
	none    request = 0         // nothing that anybody waits for
	wake    request = 1 << iota // the eventfd or the timer
	accept                      // a listener
	receive                     // a connection: receiving, again and again
	send                        // a batch
	poll                        // until the socket takes bytes
	cancel                      // of a connection's requests
)

// slot is the number of a connection, and how often that number was given.
type slot struct {
	n   uint32
	gen uint32 // 24 bits
}

const genMask = 1<<24 - 1

// data is the number of a request about slot n, or listener n.
func (r request) data(n, gen uint32) uint64 {
	return uint64(r)<<56 | uint64(gen&genMask)<<32 | uint64(n)
}

// complete handles completion i of so many.
func (l *Loop) complete(i, of int) {
	e := l.cqes[i]
	switch r := requestOf(e.Request()); r {
	case none:
	case wake:
		l.woken(uint32(e.Data), e.More())
	case accept:
		l.listeners[uint32(e.Data)].complete(e)
	default:
		if c := l.conn(e.Data); c != nil && !e.IsSend() {
			c.complete(r, e, i+1 < of && l.cqes[i+1].Data == e.Data && l.cqes[i+1].Res > 0)
		}
	}
}

// requestOf is the request of a number.
func requestOf(data uint64) request { return request(data >> 56) }

// conn is the connection that a number is about, or nil if it has ended.
func (l *Loop) conn(data uint64) *conn {
	n, gen := uint32(data), uint32(data>>32)&genMask
	if int(n) < len(l.conns) && l.conns[n] != nil && l.conns[n].slot.gen == gen {
		return l.conns[n]
	}
	return nil
}
