package sched

import "math"

// Queue is the flows of one connection that could send now. The zero value is empty.
//
// A queue with data in one class is a ring. What more are needs a place in the table, from when a second class
// gets data until there is none or, after a round, again but one class that matters: so a connection costs 16
// bytes.
type Queue struct {
	firstControl, lastControl uint32
	head                      uint32 // of the ring of data: the flow whose turn it is; 0 if there are classes
	classes                   uint32 // in Flows.classes; 0 if there are none
}

// Kind is what a flow may send.
type Kind uint8

// What Next returns: nobody, control frames, or frames of data.
const (
	Nothing Kind = iota
	Control
	Data
)

// PushControl puts a flow behind those with control frames to send. A flow that is there stays where
// it is.
func (q *Queue) PushControl(t *Flows, flow uint32) {
	n := t.at(flow)
	if n.control != 0 {
		return
	}
	n.control = flow
	if q.lastControl == 0 {
		q.firstControl = flow
	} else {
		t.at(q.lastControl).control = flow
	}
	q.lastControl = flow
}

// Push puts a flow behind those of a class, 0 to 7, with data to send. A flow that is there stays where it is,
// also in another class.
func (q *Queue) Push(t *Flows, flow uint32, class uint8) {
	n := t.at(flow)
	if n.next != 0 {
		return
	}
	n.turn = turnOf(n.turn.deficit(), class)
	if q.head != 0 { // and no classes
		if h := t.at(q.head); h.turn.class() == class { // nor a second one now, as mostly
			n.next, n.prev = q.head, h.prev
			t.at(h.prev).next = flow
			h.prev = flow
			return
		}
	}
	if q.classes == 0 && q.head != 0 && t.at(q.head).turn.class() != class {
		q.split(t)
	}
	if q.classes != 0 {
		t.classes.all[q.classes].ready |= 1 << class
	}
	t.link(q.ring(t, class), flow)
}

// Move puts a flow with data to send behind those of another class. One that has none is not moved.
func (q *Queue) Move(t *Flows, flow uint32, class uint8) {
	if n := t.at(flow); n.next != 0 && n.turn.class() != class {
		q.Remove(t, flow)
		q.Push(t, flow, class)
	}
}

// Next returns whose turn it is. For Control the flow leaves the list, and sends all its control
// frames; for Data it sends frames until they are budget bytes or more, and says so with Sent. Without data
// only control frames may be sent.
func (q *Queue) Next(t *Flows, data bool) (flow uint32, kind Kind, budget int) {
	if flow := q.firstControl; flow != 0 {
		n := t.at(flow)
		if q.firstControl = n.control; flow == n.control {
			q.firstControl, q.lastControl = 0, 0
		}
		n.control = 0
		return flow, Control, 0
	}
	if !data || q.OnlyControl() {
		return 0, Nothing, 0
	}
	head, credit := &q.head, int32(math.MaxInt32)
	if q.classes != 0 {
		head, credit = q.class(t)
	}
	flow, deficit := t.begin(head)
	return flow, Data, int(min(deficit, credit))
}

// class returns the ring of the class whose turn it is, and what it may send.
func (q *Queue) class(t *Flows) (head *uint32, credit int32) {
	s := &t.classes.all[q.classes]
	if t.Strict {
		return &s.heads[highest(s.ready)], math.MaxInt32
	}
	if s.ready&s.rich == 0 {
		if even := s.next(); even && s.ready&(s.ready-1) == 0 {
			q.join(t)
			return &q.head, math.MaxInt32
		}
	}
	class := highest(s.ready & s.rich)
	return &s.heads[class], s.credit[class]
}

// Sent charges n bytes to the flow that Next returned for Data, and to its class. If it has no more to send, or
// no window for it, it leaves the queue. One that has not used up its budget is next again, unless a higher class
// gets data.
func (q *Queue) Sent(t *Flows, flow uint32, n int, more bool) {
	f := t.at(flow)
	f.turn.add(-int32(n))
	if q.classes != 0 {
		t.classes.all[q.classes].charge(f.turn.class(), int32(n))
	}
	if !more {
		if q.classes == 0 {
			t.unlink(&q.head, flow)
		} else {
			q.Remove(t, flow)
		}
	} else if f.turn.deficit() <= 0 {
		*q.ring(t, f.turn.class()) = f.next
	}
}

// Remove takes a flow's data out of the queue, if it is there. What was left of its turn is lost, a
// debt stays.
func (q *Queue) Remove(t *Flows, flow uint32) {
	n := t.at(flow)
	if n.next == 0 {
		return
	}
	class := n.turn.class()
	head := q.ring(t, class)
	t.unlink(head, flow)
	if *head != 0 || q.classes == 0 {
		return
	}
	s := &t.classes.all[q.classes]
	s.ready &^= 1 << class
	// Others that still have data must not pay with their weights for one that goes and comes back: so
	// its account is kept, unless there are no accounts.
	if s.ready == 0 || t.Strict && s.ready&(s.ready-1) == 0 {
		q.join(t)
	}
}

// ring is the head of the ring of a class.
func (q *Queue) ring(t *Flows, class uint8) *uint32 {
	if q.classes == 0 {
		return &q.head
	}
	return &t.classes.all[q.classes].heads[class]
}

// split gives the queue classes, the first of which is that of all its flows.
func (q *Queue) split(t *Flows) {
	class := t.at(q.head).turn.class()
	q.classes = t.classes.take()
	s := &t.classes.all[q.classes]
	s.open()
	s.heads[class], s.ready = q.head, 1<<class
	q.head = 0
}

// join takes the classes away from a queue of which at most one has data.
func (q *Queue) join(t *Flows) {
	if s := &t.classes.all[q.classes]; s.ready != 0 {
		q.head = s.heads[highest(s.ready)]
	}
	t.classes.give(q.classes)
	q.classes = 0
}

// HasControl returns whether a flow is behind those with control frames to send.
func (q *Queue) HasControl(t *Flows, flow uint32) bool { return t.at(flow).control != 0 }

// HasData returns whether a flow is in the queue with data to send.
func (q *Queue) HasData(t *Flows, flow uint32) bool { return t.at(flow).next != 0 }

// Class is that in which a flow with data is.
func (q *Queue) Class(t *Flows, flow uint32) uint8 { return t.at(flow).turn.class() }

// OnlyData returns whether nobody has control frames to send.
func (q *Queue) OnlyData() bool { return q.firstControl == 0 }

// OnlyControl returns whether nobody has data to send.
func (q *Queue) OnlyControl() bool { return q.head == 0 && q.classes == 0 }

// Empty returns whether nobody could send.
func (q *Queue) Empty() bool { return q.OnlyData() && q.OnlyControl() }
