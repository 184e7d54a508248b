package core

import "sync/atomic"

// Budget bounds the memory that a connection uses, or all of an engine. It counts what waits to be sent on
// channels, beyond a little that each may always have, what windows promise beyond their start, and what
// applications keep and say so. All methods may be called from any goroutine.
//
// A budget with a parent draws from it in steps, so that what many connections share is rarely touched.
type Budget struct {
	used atomic.Int64
	*bounds
}

// bounds are what budgets of one kind share.
type bounds struct {
	limit  int64
	parent *Budget
}

// budgetStep is how much is drawn from a parent at a time, in bytes.
const budgetStep = 4 << 10

// NewBudget returns a budget of limit bytes. Its parent may be nil.
func NewBudget(limit int64, parent *Budget) *Budget {
	return &Budget{bounds: &bounds{limit, parent}}
}

// Take books n bytes, if there are as many, and returns whether there are.
func (b *Budget) Take(n int) bool {
	after := b.used.Add(int64(n))
	step := steps(after) - steps(after-int64(n))
	if after <= b.limit && (b.parent == nil || step == 0 || b.parent.Take(int(step))) {
		return true
	}
	back := b.used.Add(-int64(n)) + int64(n)
	if b.parent != nil { // others may have moved the steps meanwhile
		b.parent.used.Add(step - (steps(back) - steps(back-int64(n))))
	}
	return false
}

// Give gives n booked bytes back.
func (b *Budget) Give(n int) {
	if n == 0 {
		return
	}
	after := b.used.Add(-int64(n))
	if after < 0 {
		panic("core: more memory given back than taken")
	}
	if b.parent != nil {
		b.parent.used.Add(steps(after) - steps(after+int64(n)))
	}
}

// steps is n rounded up to whole steps.
func steps(n int64) int64 { return (n + budgetStep - 1) &^ (budgetStep - 1) }

// Used is how many bytes are booked.
func (b *Budget) Used() int64 { return b.used.Load() }

// Room is how much one user may have in all while others want some too: half of what is free. So who
// comes later always finds something.
func (b *Budget) Room() int64 {
	room := (b.limit - b.used.Load()) / 2
	if b.parent != nil {
		room = min(room, b.parent.Room())
	}
	return max(room, 0)
}

// Spare is how much may be used for what is only faster with it: half of what is missing to one half of all. So
// that alone never presses anybody.
func (b *Budget) Spare() int64 {
	spare := (b.limit/2 - b.used.Load()) / 2
	if b.parent != nil {
		spare = min(spare, b.parent.Spare())
	}
	return max(spare, 0)
}

// Scarce returns whether less than an eighth is left.
func (b *Budget) Scarce() bool {
	return b.used.Load() > b.limit-b.limit/8 || b.parent != nil && b.parent.Scarce()
}

// above returns whether more than num/den of the budget is used.
func (b *Budget) above(num, den int64) bool { return b.used.Load() > b.limit/den*num }
