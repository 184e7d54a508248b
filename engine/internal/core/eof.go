package core

import (
	"io"
	"time"

	"github.com/sscd-io/sscd/codec"
)

// PeerClosed tells that the transport has ended: with the peer's end of stream if err is nil.
func (c *Conn) PeerClosed(now time.Duration, err error) {
	switch {
	case c.phase >= failing:
		c.phase = over
	case c.phase == halfEnd && c.channels.len() == 0:
		c.die(c.endOfStream())
	case err != nil:
		c.die(&End{Code: codec.Internal, Err: err})
	default:
		c.phase = halfEnd
		c.cut, _ = c.splitter.Partial()
		c.splitter.Reset((*carrier)(c))
		c.begun, c.grace = 0, 0
		if c.quit == nil {
			c.until = now + c.cfg.Timeouts.eof
		}
		c.out.stalled = false
		if c.soon != nil { // no more window comes: what there is need not be spared
			c.tickSoon(now)
		}
	}
}

// patience is until when a half-ended connection without anything to send waits for more: who sent just now
// may be about to go on, and who was just asked, to answer. For a file that is being fetched it has all the time.
func (c *Conn) patience() time.Duration {
	if c.fetches > 0 {
		return c.until
	}
	if c.quit != nil || c.channels.len() == 0 {
		return 0
	}
	return max(c.spoke, c.received) + c.cfg.Timeouts.patience
}

// endOfStream is the end of a connection whose transport ended and that no ERROR explained.
func (c *Conn) endOfStream() *End {
	switch {
	case c.quit != nil && c.channels.len() > 0:
		return c.quit
	case c.cut || c.channels.len() > 0:
		return &End{Code: codec.Internal, Err: io.ErrUnexpectedEOF}
	case c.draining(), c.quit != nil:
		return &End{Clean: true}
	}
	return &End{Code: codec.Internal, Err: io.EOF}
}
