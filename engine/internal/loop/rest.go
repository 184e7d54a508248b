package loop

import "time"

// longestRest is how long a wasteful connection rests at most. After a turn it rests for n² times what that took, of n
// that rest: together they have an nth of the loop's time.
const longestRest = time.Second

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
	until = min(until+time.Duration(l.resting*l.resting)*min(took, longestRest), l.now+longestRest)
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
