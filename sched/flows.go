package sched

// Flows is the table of a loop's flows. A flow is a number from 1 on; 0 is none. A flow is in at most
// one Queue at a time. Not safe for concurrent use.
type Flows struct {
	// Strict has the highest class with data served first, whatever becomes of the others. It must be
	// set before the first Push.
	Strict bool

	quantum int32
	slabs   [][]node
	shift   uint
	classes classTable
}

// Quantum is how many bytes a flow may send in its turn, at least. A turn ends with the frame that uses it up;
// what that frame was too long is taken off the flow's next turns.
const Quantum = 16 << 10

// node is a flow's place in its queue. Links that are 0 mean that it is not in that list.
type node struct {
	next, prev uint32 // ring of data
	control    uint32 // list of control; the last one points to itself
	turn       turn
}

// turn is a flow's deficit and its class, in 4 bytes. The deficit is how many bytes the flow may still send in
// this round; a debt if negative.
//
//	31                          3 2     0
//	+---------------------------+-------+
//	|          deficit          | class |
//	+---------------------------+-------+
type turn int32

const classBits = 3

func turnOf(deficit int32, class uint8) turn { return turn(deficit<<classBits) | turn(class) }

func (t turn) deficit() int32 { return int32(t >> classBits) }

func (t turn) class() uint8 { return uint8(t & (Classes - 1)) }

// add adds n bytes to the deficit, which stays within 1<<28.
func (t *turn) add(n int32) { *t += turn(n << classBits) }

// NewFlows returns a table that grows by 1<<shift flows at a time, for frames of at most frame bytes. The quantum
// is at least that: then whose turn it is can send, and no search passes many that can't.
func NewFlows(shift uint, frame int) *Flows {
	return &Flows{shift: shift, quantum: int32(max(Quantum, frame))}
}

// Grow makes the flows below n usable.
func (t *Flows) Grow(n int) {
	for len(t.slabs)<<t.shift < n {
		t.slabs = append(t.slabs, make([]node, 1<<t.shift))
	}
}

// Forget clears a flow's place and debt, so that its number can serve another. The queue it was in, if
// any, must be dropped as well: for one that lives on there is Queue.Remove.
func (t *Flows) Forget(flow uint32) { *t.at(flow) = node{} }

func (t *Flows) at(flow uint32) *node {
	return &t.slabs[flow>>t.shift][flow&(1<<t.shift-1)]
}

// begin goes on to the flow of the ring at head whose turn it is, and returns it and what it may send.
func (t *Flows) begin(head *uint32) (flow uint32, budget int32) {
	for {
		n := t.at(*head)
		if n.turn.deficit() > 0 {
			return *head, n.turn.deficit()
		}
		// Its turn begins. After a frame of many quanta it may have to sit out a few.
		if n.turn.add(t.quantum); n.turn.deficit() <= 0 {
			*head = n.next
		}
	}
}

// link puts a flow behind the others of the ring at head.
func (t *Flows) link(head *uint32, flow uint32) {
	n := t.at(flow)
	if *head == 0 {
		*head = flow
		n.next, n.prev = flow, flow
		return
	}
	h := t.at(*head)
	n.next, n.prev = *head, h.prev
	t.at(h.prev).next = flow
	h.prev = flow
}

// unlink takes a flow out of the ring at head. What was left of its turn is lost, a debt stays.
func (t *Flows) unlink(head *uint32, flow uint32) {
	n := t.at(flow)
	if n.next == flow {
		*head = 0
	} else {
		if *head == flow {
			*head = n.next
		}
		t.at(n.prev).next = n.next
		t.at(n.next).prev = n.prev
	}
	n.next, n.prev, n.turn = 0, 0, turnOf(min(n.turn.deficit(), 0), n.turn.class())
}
