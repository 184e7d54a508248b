package loop

import "time"

// A wasteful connection rests after a turn: if it is the only one for as long as that took, else for restShare times as
// long for each other one that rests, so that together they have a restShare-th of the loop's time; for longestRest at
// most.
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
	until = min(until+time.Duration(1+restShare*(l.resting-1))*took, l.now+longestRest)
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
