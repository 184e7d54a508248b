package sched

import "math/bits"

const (
	// Classes is how many classes there are: 0 to Classes-1, of which the last is the most urgent.
	Classes = 1 << classBits

	// Unit is how many bytes a class may send in a round, for each of its weight. It is small, so that a
	// round of all is less than a batch, and the highest class may send a full frame in one.
	Unit = 1 << 10
)

// weights double every other class. Their sum is 52, and 64 at most: so the lowest class keeps 1/64 of the link
// though control frames come first.
var weights = [Classes]int32{1, 2, 3, 4, 6, 8, 12, 16}

// Weight is what a class may send, in relation to the others.
func Weight(class uint8) int { return int(weights[class]) }

// classes is the classes of a queue of which more than one has data, or owes for what it sent.
type classes struct {
	heads  [Classes]uint32 // of the rings of data, as in Queue
	credit [Classes]int32  // what the class may still send in this round; a debt if negative
	ready  uint8           // the classes that have data, as bits
	rich   uint8           // those that have credit
}

// share is what a class may send in a round.
func share(class uint8) int32 { return weights[class] * Unit }

// open begins the first round.
func (s *classes) open() {
	for class := range uint8(Classes) {
		s.credit[class] = share(class)
	}
	s.rich = 1<<Classes - 1
}

// highest is the highest of the classes whose bits are set.
func highest(set uint8) uint8 { return uint8(bits.Len8(set) - 1) }

// charge takes n bytes off a class's credit.
func (s *classes) charge(class uint8, n int32) {
	if s.credit[class] -= n; s.credit[class] <= 0 {
		s.rich &^= 1 << class
	}
}

// next begins the next round, or the first one in which a class with data has credit. It returns whether all
// that have no data have no debt either.
func (s *classes) next() (even bool) {
	rounds := int32(1<<31 - 1)
	for set := s.ready; set != 0; set &= set - 1 {
		class := uint8(bits.TrailingZeros8(set))
		rounds = min(rounds, -s.credit[class]/share(class)+1)
	}
	even = true
	for class := range uint8(Classes) {
		most := share(class)
		s.credit[class] = min(s.credit[class]+rounds*most, most)
		if s.credit[class] > 0 {
			s.rich |= 1 << class
		}
		even = even && (s.credit[class] == most || s.ready&(1<<class) != 0)
	}
	return even
}

// classTable holds the classes of queues that need them, with a free list through heads[0]. Index 0 is none. It
// grows by copying, so no pointer into it is kept over a take.
type classTable struct {
	all  []classes
	free uint32
}

// take returns one of those that are free.
func (t *classTable) take() uint32 {
	if t.free == 0 {
		t.all = append(t.all, make([]classes, max(1, 2-len(t.all)))...)
		return uint32(len(t.all) - 1)
	}
	i := t.free
	t.free = t.all[i].heads[0]
	t.all[i].heads[0] = 0
	return i
}

// give puts one back.
func (t *classTable) give(i uint32) {
	t.all[i] = classes{}
	t.all[i].heads[0] = t.free
	t.free = i
}
