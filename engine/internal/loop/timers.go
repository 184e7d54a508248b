package loop

import (
	"container/heap"
	"math"
	"time"
)

// never is later than anything.
const never = time.Duration(math.MaxInt64)

// timers is the connections of a loop, the one whose deadline comes first at index 0. An entry is
// moved when its deadline comes earlier, or when it is due: activity, which only moves deadlines
// further away, costs nothing.
type timers []*Conn

// first is when the first connection is due.
func (t timers) first() time.Duration {
	if len(t) == 0 {
		return never
	}
	return t[0].due
}

// expired returns a connection that is due, or nil. What it does next is to tell its next deadline, or to leave.
func (t *timers) expired(now time.Duration) *Conn {
	if t.first() > now {
		return nil
	}
	c := (*t)[0]
	t.move(c, never)
	return c
}

// update tells that the deadline of c is at. One that is over is due in a millisecond, however often it is told again.
func (t *timers) update(c *Conn, at, now time.Duration) {
	if at = max(at, now+time.Millisecond); at < c.due {
		t.move(c, at)
	}
}

// move has c due at that time, be it earlier or later.
func (t *timers) move(c *Conn, at time.Duration) {
	c.due = at
	heap.Fix(t, int(c.index))
}

func (t *timers) add(c *Conn, at time.Duration) {
	c.due = at
	heap.Push(t, c)
}

func (t *timers) remove(c *Conn) { heap.Remove(t, int(c.index)) }

// Len, Less, Swap, Push and Pop are heap.Interface.

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].due < t[j].due }

func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = int32(i), int32(j)
}

func (t *timers) Push(x any) {
	c := x.(*Conn)
	c.index = int32(len(*t))
	*t = append(*t, c)
}

func (t *timers) Pop() any {
	old := *t
	n := len(old) - 1
	c := old[n]
	old[n] = nil
	*t = old[:n]
	return c
}
