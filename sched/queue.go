package sched

// Quantum is how many bytes a flow may send in its turn. A turn ends with the frame that uses it up; what
// that frame was too long is taken off the flow's next turns.
const Quantum = 16 << 10

// Queue is the flows of one connection that could send now. The zero value is empty.
type Queue struct {
	firstControl, lastControl uint32
	head                      uint32 // of the ring of data: the flow whose turn it is
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

// Push puts a flow behind those with data to send. A flow that is there stays where it is.
func (q *Queue) Push(t *Flows, flow uint32) {
	n := t.at(flow)
	if n.next != 0 {
		return
	}
	if q.head == 0 {
		q.head = flow
		n.next, n.prev = flow, flow
		return
	}
	h := t.at(q.head)
	n.next, n.prev = q.head, h.prev
	t.at(h.prev).next = flow
	h.prev = flow
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
	for data && q.head != 0 {
		n := t.at(q.head)
		if n.deficit > 0 {
			return q.head, Data, int(n.deficit)
		}
		// Its turn begins. After a frame of many quanta it may have to sit out a few.
		if n.deficit += Quantum; n.deficit <= 0 {
			q.head = n.next
		}
	}
	return 0, Nothing, 0
}

// Sent charges n bytes to the flow that Next returned for Data. If it has no more to send, or no
// window for it, it leaves the queue. One that has not used up its budget is next again.
func (q *Queue) Sent(t *Flows, flow uint32, n int, more bool) {
	f := t.at(flow)
	f.deficit -= int32(n)
	if !more {
		q.Remove(t, flow)
	} else if f.deficit <= 0 {
		q.head = f.next
	}
}

// Remove takes a flow's data out of the queue, if it is there. What was left of its turn is lost, a
// debt stays.
func (q *Queue) Remove(t *Flows, flow uint32) {
	n := t.at(flow)
	if n.next == 0 {
		return
	}
	if n.next == flow {
		q.head = 0
	} else {
		if q.head == flow {
			q.head = n.next
		}
		t.at(n.prev).next = n.next
		t.at(n.next).prev = n.prev
	}
	n.next, n.prev, n.deficit = 0, 0, min(n.deficit, 0)
}

// HasControl returns whether a flow is behind those with control frames to send.
func (q *Queue) HasControl(t *Flows, flow uint32) bool { return t.at(flow).control != 0 }

// HasData returns whether a flow is in the queue with data to send.
func (q *Queue) HasData(t *Flows, flow uint32) bool { return t.at(flow).next != 0 }

// OnlyData returns whether nobody has control frames to send.
func (q *Queue) OnlyData() bool { return q.firstControl == 0 }

// OnlyControl returns whether nobody has data to send.
func (q *Queue) OnlyControl() bool { return q.head == 0 }

// Empty returns whether nobody could send.
func (q *Queue) Empty() bool { return q.firstControl == 0 && q.head == 0 }
