package core

import (
	"time"

	"github.com/sscd-io/sscd/codec"
)

// File is an open file of which ranges wait to be sent. The core reads no disk: it asks what it was given.
type File interface {
	// Probe returns whether n bytes from off on can be read without waiting for a disk, or an error if
	// they can't be read at all: the file may have become shorter.
	Probe(off int64, n int) (ready bool, err error)
	// Read fills p with the bytes from off on, which must all be there.
	Read(p []byte, off int64) error
	// Fetch has n bytes from off on brought into memory, and calls done after that from anywhere.
	Fetch(off int64, n int, done func())
	// Retain and Release count who uses the file, which is closed by the last one.
	Retain()
	Release()
}

const (
	// fileCost is what a range of a file counts in a queue: it holds no bytes, but a descriptor.
	fileCost = Allowance

	// SendfileBytes is how much of a range goes to sendfile(2) at once: what it moves through its pipe of 16 pages in
	// one go, also from amid a page, and with a header one packet of the loopback. A call for more costs 1.4 times
	// as much.
	SendfileBytes = 60 << 10

	// fileFrame is the longest DATA payload that leaves as a range, in bytes, unless FrameSize is given. Only who takes
	// frames so long waits for one: others get SendfileBytes, which with a header are one batch (batchBytes).
	fileFrame = 4 * SendfileBytes

	// shortPiece is up to how many bytes of a file are read though they could leave as a range: two system calls for a
	// frame cost more than two copies and a CRC of so little.
	shortPiece = 24 << 10

	// aheadBytes is of how much of a file the first and the last page are asked for before it is sent, and how
	// much is fetched at once, in bytes: asking for each frame would cost a tenth of sending it.
	aheadBytes = 512 << 10
)

// fileRange is the rest of a range that waits to be sent.
type fileRange struct {
	file  File
	off   int64
	left  int64
	known int64 // up to here the file was fetched, or found to be in memory
}

// fileTable is the arena's store of file ranges. Index 0 is none.
type fileTable struct {
	all  []fileRange
	free []int32
}

// put stores a range.
func (t *fileTable) put(f fileRange) (i int32) {
	if len(t.all) == 0 {
		t.all = append(t.all, fileRange{})
	}
	if n := len(t.free); n > 0 {
		i, t.free = t.free[n-1], t.free[:n-1]
		t.all[i] = f
		return i
	}
	t.all = append(t.all, f)
	return int32(len(t.all) - 1)
}

// drop removes range i and releases its file.
func (t *fileTable) drop(i int32) {
	t.all[i].file.Release()
	t.all[i] = fileRange{}
	t.free = append(t.free, i)
}

// Fetch is a part of a file that must be fetched before a channel can go on.
type Fetch struct {
	Channel Handle
	File    File // retained
	Off     int64
	Len     int
}

// Range is the part of a file that ends a batch.
type Range struct {
	File    File // nil if there is none
	Off     int64
	Len     int
	Channel Handle // whose payload it is
}

// ReserveFile books a range of a file for the queue of channel h. After SendOK it must reach SendFile. It may be
// called from any goroutine.
func (c *Conn) ReserveFile(h Handle) SendResult { return c.Reserve(h, fileCost, 0) }

// SendFile queues n bytes of f from off on, more than 0, which were reserved. f is passed on.
func (c *Conn) SendFile(now time.Duration, h Handle, f File, off, n int64) {
	r := c.sending(h)
	if r == nil {
		f.Release()
		return
	}
	c.push(r, nil).place = c.arena.files.put(fileRange{file: f, off: off, left: n})
	c.ready(now, h.Slot, r)
}

// Fetched tells that what channel h waited for was fetched.
func (c *Conn) Fetched(now time.Duration, h Handle) {
	if r := c.arena.get(h); r != nil && r.flags&fetching != 0 {
		r.flags &^= fetching
		c.fetches--
		c.ready(now, h.Slot, r)
	}
}

// Truncated tells that the file of a batch's range ended early. The frame was filled with zeros.
func (c *Conn) Truncated(h Handle) { c.Reset(h, codec.Internal) }

// prepareFile returns whether the next n bytes of a file can be sent now. If they must be fetched first, the
// channel waits for that, no longer than for window; an error means that they can't be read.
func (c *Conn) prepareFile(now time.Duration, slot uint32, r *record, n int) (ready bool, err error) {
	f := &c.arena.files.all[c.arena.segs.at(r.first).place]
	if f.off+int64(n) <= f.known {
		return true, nil
	}
	size := int(min(f.left, int64(max(aheadBytes, n))))
	if ready, err = f.file.Probe(f.off, size); err != nil {
		return false, err
	}
	if !ready {
		f.file.Retain()
		c.arena.Fetches = append(c.arena.Fetches, Fetch{r.handle(slot), f.file, f.off, size})
		r.flags |= fetching
		c.fetches++
		if r.timer == noTimer {
			c.startTimer(now, slot, noWindowTimer)
		}
	}
	f.known = f.off + int64(size)
	return ready, nil
}

// byRange returns whether files leave as ranges.
func (c *Conn) byRange() bool { return c.arena.Sendfile && c.can(codec.FeatureHeaderCRC) }

// fileFrame is how many bytes a DATA frame of a file may have.
func (c *Conn) fileFrame() int64 {
	if !c.byRange() {
		return int64(min(c.cfg.FrameSize, int(c.peer.takes)))
	}
	return int64(c.wholePieces(min(c.cfg.fileFrame, int(c.peer.takes))))
}

// wholePieces is n rounded down to whole calls of sendfile(2), if it is one at least and a range leaves by those.
func (c *Conn) wholePieces(n int) int {
	if n > SendfileBytes && c.byRange() {
		n -= n % SendfileBytes
	}
	return n
}

// appendFile appends the next n bytes of a file as a DATA frame, as its range if the transport and the peer take
// that and it pays. FIN never goes with them: if the file shrinks before they are out, nothing may say that all came.
func (c *Conn) appendFile(b *Batch, slot uint32, r *record, n int) error {
	f := &c.arena.files.all[c.arena.segs.at(r.first).place]
	h := codec.Header{Channel: r.id, Type: codec.Data, Length: uint32(n)}
	if n > shortPiece && c.byRange() {
		h.Flags = codec.HeaderCRC
		b.frameOfFile(c.cfg.Pool, h, Range{f.file, f.off, n, r.handle(slot)})
		return nil
	}
	buf := c.cfg.Pool.Get(n)
	defer buf.Release()
	if err := f.file.Read(buf.B, f.off); err != nil {
		return err
	}
	b.frameOf(c.cfg.Pool, h, buf.B, nil, buf)
	return nil
}

// nextOfFile appends the next n bytes of the file that is first on a channel, if they can be read now. It returns how
// much of the queue is free by that, whether they fit, and whether they are lost because they can't be read.
func (c *Conn) nextOfFile(now time.Duration, b *Batch, slot uint32, r *record, n int) (freed int, fit, lost bool) {
	if !b.fits(codec.HeaderSize+n, codec.HeaderSize) {
		return 0, false, false
	}
	ready, err := c.prepareFile(now, slot, r, n)
	if ready && err == nil {
		err = c.appendFile(b, slot, r, n)
	}
	if !ready || err != nil {
		return 0, true, err != nil
	}
	return c.advanceFile(now, slot, r, n), true, false
}

// advanceFile books n bytes of a file as sent and returns how much of the queue is free by that.
func (c *Conn) advanceFile(now time.Duration, slot uint32, r *record, n int) (freed int) {
	f := &c.arena.files.all[c.arena.segs.at(r.first).place]
	r.out.take(n)
	f.off, f.left = f.off+int64(n), f.left-int64(n)
	if r.timer == closeWaitTimer { // a file may take long, as long as it moves
		c.startTimer(now, slot, closeWaitTimer)
	}
	if f.left > 0 {
		return 0
	}
	c.drop(r)
	return fileCost
}
