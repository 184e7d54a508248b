package loop

import (
	"sync/atomic"
	"time"

	"github.com/sscd-io/sscd/engine/internal/core"
)

// Stats are the counters of a loop. They may be read from any goroutine.
type Stats struct {
	Conns     atomic.Int64  // open now
	Served    atomic.Uint64 // connections ever
	FramesIn  atomic.Uint64
	FramesOut atomic.Uint64
	BytesIn   atomic.Uint64
	BytesOut  atomic.Uint64
	Reads     atomic.Uint64 // calls that brought bytes
	Writes    atomic.Uint64 // calls that took bytes
	Panics    atomic.Uint64 // of the application
	Rests     atomic.Uint64 // times that a wasteful connection was not to be read for a while

	BytesSendfile atomic.Uint64 // of BytesOut: by sendfile(2)
	ReadAheads    atomic.Uint64 // times that a channel waited for a disk

	Longest atomic.Int64 // turn, in nanoseconds

	frames [2]uint64 // in and out, published
}

// turn publishes what the turn that took d did.
func (s *Stats) turn(d time.Duration, c *core.Counters) {
	if int64(d) > s.Longest.Load() {
		s.Longest.Store(int64(d))
	}
	if n := c.FramesIn - s.frames[0]; n > 0 {
		s.FramesIn.Add(n)
		s.frames[0] = c.FramesIn
	}
	if n := c.FramesOut - s.frames[1]; n > 0 {
		s.FramesOut.Add(n)
		s.frames[1] = c.FramesOut
	}
}
