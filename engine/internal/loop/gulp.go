package loop

import "time"

// MaxGulp is how many bytes of a connection are read at once at most. One that is alone reads loneGulp or more; if
// there are others, it begins with minGulp. Beyond that it is as much as was handled in turnTime before: much of few
// large frames, which has them answered together, and little of many small ones, for which others need not wait then.
const (
	MaxGulp  = 256 << 10
	loneGulp = 64 << 10
	minGulp  = 2 << 10
	gulpUnit = 64
	turnTime = 64 * time.Microsecond
)

func (c *Conn) bytes(p []byte, flush bool) {
	c.loop.Stats.BytesIn.Add(uint64(len(p)))
	c.loop.Stats.Reads.Add(1)
	if len(p) < minGulp && !c.core.Wasteful(c.loop.now) {
		c.core.Feed(c.loop.now, p)
		c.serve(flush)
		return
	}
	began := c.loop.Since()
	c.core.Feed(c.loop.now, p)
	c.serve(flush)
	took := max(c.loop.Since()-began, 1)
	c.tire(took)
	fits := uint64(len(p)) * uint64(turnTime) / uint64(took)
	c.gulp = uint16(max(minGulp, min(MaxGulp, fits, 2*uint64(len(p)))) / gulpUnit)
}

// Gulp is how many bytes to read at once at most.
func (c *Conn) Gulp() int {
	if c.loop.Stats.Conns.Load() == 1 {
		return max(int(c.gulp)*gulpUnit, loneGulp)
	}
	return max(int(c.gulp)*gulpUnit, minGulp)
}
