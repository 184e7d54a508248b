package sched

// Flows is the table of a loop's flows. A flow is a number from 1 on; 0 is none. A flow is in at most
// one Queue at a time. Not safe for concurrent use.
type Flows struct {
	slabs [][]node
	shift uint
}

// node is a flow's place in its queue. Links that are 0 mean that it is not in that list.
type node struct {
	next, prev uint32 // ring of data
	control    uint32 // list of control; the last one points to itself
	deficit    int32  // bytes the flow may still send in this round; a debt if negative
}

// NewFlows returns a table that grows by 1<<shift flows at a time.
func NewFlows(shift uint) *Flows { return &Flows{shift: shift} }

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
