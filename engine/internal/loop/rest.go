package loop

import "time"

// Wasteful connections together have one restShare-th of a loop's time: after a turn each rests for restShare times
// what it took, times the number of those that rest, but no longer than longestRest.
const (
	restShare   = 50
	longestRest = time.Second
)

// tire has a connection whose turn took so long rest, if it is a wasteful one: until the timer finds it.
func (c *Conn) tire(took time.Duration) {
	l := c.loop
	switch {
	case c.gone:
		return
	case !c.core.Wasteful(l.now):
		c.wake()
		c.listen()
		return
	}
	until := c.due
	if !c.rests {
		c.rests = true
		l.resting++
		l.Stats.Rests.Add(1)
		until = l.now
	}
	until = min(until+time.Duration(restShare*l.resting)*took, l.now+longestRest)
	l.timers.move(c, min(until, c.core.Deadline(l.now)))
	c.listen()
}

// wake ends a rest.
func (c *Conn) wake() {
	if c.rests {
		c.rests = false
		c.loop.resting--
	}
}
