package core

import "math/bits"

// idTable is the channels of a connection that are not closed: their slots by their ids. It is open addressing with
// lines of the cache as buckets, each for eight ids in a row: frames often come in the order in which channels were
// opened. What a full line does not hold is in the next one that is not. A nil table is empty.
//
// Where a line lies is by a multiplier that peers do not know (Config.Seed), so that none can choose ids that all
// fall together. With most multipliers some ids in a row do, and with one in ten a search passes three lines; with
// those that idFactor gives they spread evenly.
type idTable struct {
	places []idPlace // a power of two of them, at most five eighths of which are used
	n      uint32    // channels
	shift  uint32    // of a product, for the number of a line
	factor uint64    // from idFactor
}

// idPlace is a channel; one with the id 0 is none.
type idPlace struct{ id, slot uint32 }

// lineBits says how many places are a line.
const (
	lineBits   = 3
	linePlaces = 1 << lineBits
)

// idFactor returns a multiplier that is, as a fraction of 1<<64, badly approximated by fractions of small numbers: the
// quotients of its continued fraction are 1 and 2, by the bits of seed. Its multiples in a row, taken modulo 1, are
// never close to each other. For the seed 0 it is the golden section.
func idFactor(seed uint64) uint64 {
	const enough = 1 << 62 // of a denominator; what more quotients change is beyond 64 bits
	p, q, nextP, nextQ := uint64(1), uint64(0), uint64(0), uint64(1)
	for ; nextQ < enough; seed >>= 1 {
		quotient := 1 + seed&1
		p, nextP = nextP, quotient*nextP+p
		q, nextQ = nextQ, quotient*nextQ+q
	}
	factor, _ := bits.Div64(nextP, 0, nextQ)
	return factor
}

// newIDTable returns an empty table with a multiplier from idFactor.
func newIDTable(factor uint64) *idTable {
	return &idTable{places: make([]idPlace, linePlaces), shift: 64, factor: factor}
}

// len is how many channels there are.
func (t *idTable) len() int {
	if t == nil {
		return 0
	}
	return int(t.n)
}

// line is the first place of the line to which id belongs. Ids of both sides, odd and even, lie together.
func (t *idTable) line(id uint32) int {
	return int(uint64(id>>(1+lineBits))*t.factor>>t.shift) << lineBits
}

// own is the place that id has in any line, if nobody else has it.
func own(id uint32) int { return int(id>>1) & (linePlaces - 1) }

// after is the line behind that at i.
func (t *idTable) after(i int) int { return (i + linePlaces) & (len(t.places) - 1) }

// free returns a place of the line at i that is, the one at first if that is, or -1.
func (t *idTable) free(i, first int) int {
	if t.places[i+first].id == 0 {
		return i + first
	}
	for j := i; j < i+linePlaces; j++ {
		if t.places[j].id == 0 {
			return j
		}
	}
	return -1
}

// find returns where id is, or -1.
func (t *idTable) find(id uint32) int {
	i := t.line(id)
	if j := i + own(id); t.places[j].id == id { // as mostly
		return j
	}
	return t.search(i, id)
}

// search is find from the line at i on.
func (t *idTable) search(i int, id uint32) int {
	for ; ; i = t.after(i) {
		full := true
		for j := i; j < i+linePlaces; j++ {
			switch t.places[j].id {
			case id:
				return j
			case 0:
				full = false
			}
		}
		if !full {
			return -1
		}
	}
}

// get returns the slot of the channel called id, and whether there is one.
func (t *idTable) get(id uint32) (slot uint32, ok bool) {
	if t == nil || id == 0 {
		return 0, false
	}
	if i := t.find(id); i >= 0 {
		return t.places[i].slot, true
	}
	return 0, false
}

// put adds a channel, whose id must be new.
func (t *idTable) put(id, slot uint32) {
	if 8*(int(t.n)+1) > 5*len(t.places) {
		t.grow()
	}
	t.place(idPlace{id, slot})
	t.n++
}

// place puts p into the first line with room.
func (t *idTable) place(p idPlace) {
	for i := t.line(p.id); ; i = t.after(i) {
		if j := t.free(i, own(p.id)); j >= 0 {
			t.places[j] = p
			return
		}
	}
}

// grow doubles the table.
func (t *idTable) grow() {
	old := t.places
	t.places = make([]idPlace, 2*len(old))
	t.shift--
	for _, p := range old {
		if p.id != 0 {
			t.place(p)
		}
	}
}

// drop removes the channel called id. If its line was full, one moves up that had to pass it, and so on.
func (t *idTable) drop(id uint32) {
	hole := t.find(id)
	if hole < 0 {
		return
	}
	t.n--
	for {
		i := hole &^ (linePlaces - 1)
		before := (hole - 1) & (linePlaces - 1) // most often free, if channels end in the order in which they began
		full := t.free(i, before) < 0
		t.places[hole] = idPlace{}
		if !full {
			return
		}
		next := t.passed(i)
		if next < 0 {
			return
		}
		t.places[hole] = t.places[next]
		hole = next
	}
}

// passed returns the place of one that is behind the line at i and belongs to that or to one before it, or -1.
func (t *idTable) passed(i int) int {
	last := len(t.places) - 1
	for k := t.after(i); ; k = t.after(k) {
		full := true
		for j := k; j < k+linePlaces; j++ {
			if id := t.places[j].id; id == 0 {
				full = false
			} else if (k-t.line(id))&last >= (k-i)&last {
				return j
			}
		}
		if !full {
			return -1
		}
	}
}

// all calls f with each channel, in no order, until it returns false. It must not add or remove any.
func (t *idTable) all(f func(id, slot uint32) bool) {
	if t == nil {
		return
	}
	for _, p := range t.places {
		if p.id != 0 && !f(p.id, p.slot) {
			return
		}
	}
}
