package sim

import "time"

// link is the bytes on their way to one side: a queue, and what may go wrong with it.
type link struct {
	buf        []byte // buf[head:] is on the way
	head       int
	sent, came uint64 // bytes since the beginning
	flights    []flight
	first      int // of flights

	ended   bool          // nothing follows
	reset   bool          // and what is on the way is lost
	told    bool          // the receiver knows
	cutAt   uint64        // where the stream ends for the receiver, or never
	rough   bool          // with an error
	stalled time.Duration // nothing arrives before
	tainted bool          // a bit was changed
	whole   uint64        // and so many frames left before that one
	frames  uint64        // that have left
	data    int64         // bytes of DATA on the way
	grants  int64         // and of grants for the connection
}

// flight is a frame on its way.
type flight struct {
	end   uint64 // of the stream, behind it
	ch    *channel
	kind  byte // of frame
	bare  bool // no CRC covers its payload
	bytes uint32
}

const noCut = ^uint64(0)

// init makes l an empty link.
func (l *link) init() {
	*l = link{buf: l.buf[:0], flights: l.flights[:0], cutAt: noCut}
}

// pending is how many bytes are on the way.
func (l *link) pending() int { return len(l.buf) - l.head }

// put sends p on its way. Behind a cut it goes nowhere.
func (l *link) put(p []byte) {
	l.sent += uint64(len(p))
	if l.told || l.reset {
		return
	}
	if l.head > 0 && len(l.buf)+len(p) > cap(l.buf) {
		n := copy(l.buf, l.buf[l.head:])
		l.buf, l.head = l.buf[:n], 0
	}
	l.buf = append(l.buf, p...)
}

// take returns the next n bytes, which arrive. They are valid until spoil.
func (l *link) take(n int) []byte {
	p := l.buf[l.head : l.head+n : l.head+n]
	l.head += n
	l.came += uint64(n)
	return p
}

// spoil overwrites what take returned: who still looks at it finds no sense.
func (l *link) spoil(p []byte) {
	for i := range p {
		p[i] = 0xdb
	}
	if l.head == len(l.buf) {
		l.buf, l.head = l.buf[:0], 0
	}
}

// reach is how many of the next n bytes can arrive.
func (l *link) reach(n int) int {
	n = min(n, l.pending())
	if l.reset {
		return 0
	}
	if l.cutAt != noCut {
		n = min(n, int(l.cutAt-l.came))
	}
	return n
}

// over returns whether the receiver is to be told of the end, and whether that is an error.
func (l *link) over() (over, rough bool) {
	switch {
	case l.told:
	case l.reset:
		return true, true
	case l.came == l.cutAt:
		return true, l.rough
	case l.ended && l.pending() == 0:
		return true, false
	}
	return false, false
}

// fly notes a frame that will end after n more bytes than have been put.
func (l *link) fly(end uint64, ch *channel, f *wireFrame, bytes int) {
	switch kind := f.typ; {
	case kind == 3:
		bytes = len(f.payload) // inflated by now
		l.data += int64(bytes)
	case kind == 8 && f.channel == 0:
		l.grants += int64(bytes)
	}
	if l.first > 64 && l.first*2 > len(l.flights) {
		n := copy(l.flights, l.flights[l.first:])
		l.flights, l.first = l.flights[:n], 0
	}
	bare := f.typ == 3 && f.flags&flagHeaderCRC != 0
	l.flights = append(l.flights, flight{end, ch, f.typ, bare, uint32(bytes)})
	if !l.tainted {
		l.frames++
	}
}
