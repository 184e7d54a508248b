package core

// idTable is the channels of a connection that are not closed: their slots by their ids. It is open addressing with
// steps of one, where ids in a row lie in a row, eight to a line of the cache: frames often come in the order in which
// channels were opened. Where such a line lies is by a multiplier that peers do not know (Config.Seed), so that none
// can choose ids that all fall together. A nil table is empty.
type idTable struct {
	places []idPlace // a power of two of them, at most five eighths of which are used
	n      uint32    // channels
	shift  uint32    // of a product, for the number of a line
	factor uint64    // odd
}

// idPlace is a channel; one with the id 0 is none.
type idPlace struct{ id, slot uint32 }

// lineBits says how many places are a line: 1<<lineBits.
const lineBits = 3

// golden is the multiplier for the seed 0: it spreads numbers in a row evenly.
const golden = 0x9E3779B97F4A7C15

// newIDTable returns an empty table.
func newIDTable(seed uint64) *idTable {
	return &idTable{places: make([]idPlace, 1<<lineBits), shift: 64, factor: seed ^ golden | 1}
}

// len is how many channels there are.
func (t *idTable) len() int {
	if t == nil {
		return 0
	}
	return int(t.n)
}

// home is where the search for id begins. Ids of both sides, odd and even, lie together.
func (t *idTable) home(id uint32) int {
	line := uint64(id>>(1+lineBits)) * t.factor >> t.shift
	return int(line<<lineBits | uint64(id>>1)&(1<<lineBits-1))
}

// find returns where id is, or where it would have to go.
func (t *idTable) find(id uint32) int {
	i := t.home(id)
	for t.places[i].id != id && t.places[i].id != 0 {
		i = (i + 1) & (len(t.places) - 1)
	}
	return i
}

// get returns the slot of the channel called id, and whether there is one.
func (t *idTable) get(id uint32) (slot uint32, ok bool) {
	if t == nil || id == 0 {
		return 0, false
	}
	p := &t.places[t.find(id)]
	return p.slot, p.id == id
}

// put adds a channel, whose id must be new.
func (t *idTable) put(id, slot uint32) {
	if 8*(int(t.n)+1) > 5*len(t.places) {
		t.grow()
	}
	t.places[t.find(id)] = idPlace{id, slot}
	t.n++
}

// grow doubles the table.
func (t *idTable) grow() {
	old := t.places
	t.places = make([]idPlace, 2*len(old))
	t.shift--
	for _, p := range old {
		if p.id != 0 {
			t.places[t.find(p.id)] = p
		}
	}
}

// drop removes the channel called id. Those behind it move up, as far as they are not at home.
func (t *idTable) drop(id uint32) {
	last := len(t.places) - 1
	hole := t.find(id)
	if t.places[hole].id == 0 {
		return
	}
	t.n--
	for i := (hole + 1) & last; t.places[i].id != 0; i = (i + 1) & last {
		if away := (i - t.home(t.places[i].id)) & last; away >= (i-hole)&last {
			t.places[hole] = t.places[i]
			hole = i
		}
	}
	t.places[hole] = idPlace{}
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
