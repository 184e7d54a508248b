package core

import (
	"time"

	"github.com/sscd-io/sscd/codec"
)

// Files are sent without being copied where the peer offered HEADER_CRC (SPEC section 3) and the transport can: the
// batch ends with a range of the file, which goes from the page cache to the socket. Else the bytes are read for each
// frame. Either way a frame is made only when it can be sent, and costs no memory before.

// File is an open file of which a range is to be sent. It is used inside the loop only.
type File interface {
	// FD is the number by which the transport knows it.
	FD() int
	// Ready returns whether n bytes from off on can be read without waiting. If not they are fetched, and
	// Conn.Fetched must be called when they are there.
	Ready(off int64, n int) FileState
	// Read fills p from off on. It is called after Ready, and returns false if there is less.
	Read(p []byte, off int64) bool
	// Retain adds a reference, Release gives one up; without any the file is closed.
	Retain()
	Release()
}

// FileState says whether a part of a file can be read.
type FileState uint8

// The states.
const (
	FileReady FileState = iota
	FileWaits           // it is being fetched
	FileShort           // the file ends before, or can't be read
)

// fileFrame is the longest payload of a frame of a file, in bytes, if the peer takes as much: with what it costs to
// begin one, smaller ones are slower, and it is as much as a batch holds.
const fileFrame = codec.MaxData

// FileRange is a part of a file.
type FileRange struct {
	File    File
	Off     int64
	Channel Handle // whose it is
	Short   bool   // the transport found its end before that of the range
	n       int    // how long
}

// fileQueue is a file that waits on a channel, or what is left of it.
type fileQueue struct {
	File
	off, left int64
}

// part is the length that the segment of a file says: as much as it can, until the end comes near.
func (f *fileQueue) part() uint32 { return uint32(min(f.left, 1<<30)) }

// Sendfile tells that the transport can send files itself.
func (c *Conn) Sendfile() { c.sendfile = true }

// SendFile queues n bytes of f from off on, at least one, on channel h; one byte must be reserved for them. f's
// reference is passed on.
func (c *Conn) SendFile(now time.Duration, h Handle, f File, off, n int64) {
	r := c.sending(h)
	if r == nil {
		f.Release()
		return
	}
	c.push(r, nil)
	q := fileQueue{f, off, n}
	s := c.arena.segs.at(r.last)
	s.shared, s.end = c.arena.files.add(q), q.part()
	c.ready(now, h.Slot, r)
}

// Fetched tells that what Ready of a file found missing is there.
func (c *Conn) Fetched(now time.Duration, h Handle) {
	if r := c.arena.get(h); r != nil && r.flags&fetching != 0 {
		r.flags &^= fetching
		c.ready(now, h.Slot, r)
	}
}

// Shrunk tells that a file became shorter than a frame of it that has begun. The transport fills it with zeros, and
// the channel ends behind it.
func (c *Conn) Shrunk(h Handle) { c.Reset(h, codec.Internal) }

// appendFile appends the next frame of the file that is first on a channel, of n bytes at most, and returns how much
// of the queue is free by that. If the bytes have to be fetched the channel waits; if there are none it ends.
func (c *Conn) appendFile(b *Batch, slot uint32, r *record, n int) (freed int, fit bool) {
	s := c.arena.segs.at(r.first)
	f := c.arena.files.at(s.shared)
	if !b.fits(codec.HeaderSize+n, codec.HeaderSize) {
		return 0, false
	}
	switch f.Ready(f.off, n) {
	case FileWaits:
		r.flags |= fetching
		c.arena.Fetches++
		return 0, true
	case FileShort:
		c.abort(slot, codec.Internal)
		return 0, true
	}
	h := codec.Header{Channel: r.id, Type: codec.Data, Flags: c.finOf(r, s, n)}
	if c.sendfile && c.can(codec.FeatureHeaderCRC) {
		b.frameOfFile(c.cfg.Pool, h, FileRange{File: f.File, Off: f.off, Channel: r.handle(slot), n: n})
	} else {
		buf := c.cfg.Pool.Get(n)
		defer buf.Release()
		if !f.Read(buf.B, f.off) {
			c.abort(slot, codec.Internal)
			return 0, true
		}
		b.frameOf(c.cfg.Pool, h, buf.B, nil, buf)
	}
	r.out.take(n)
	f.off += int64(n)
	f.left -= int64(n)
	if s.end = f.part(); s.end > 0 {
		return 0, true
	}
	c.drop(r)
	return minCost, true
}

// fileTable is the files that wait on channels of an arena. Slot 0 is none.
type fileTable struct {
	all  []fileQueue
	free []uint32
}

func (t *fileTable) at(slot uint32) *fileQueue { return &t.all[slot] }

// add puts a file in a slot.
func (t *fileTable) add(q fileQueue) (slot uint32) {
	if n := len(t.free); n > 0 {
		slot = t.free[n-1]
		t.free = t.free[:n-1]
		t.all[slot] = q
		return slot
	}
	if len(t.all) == 0 {
		t.all = append(t.all, fileQueue{})
	}
	t.all = append(t.all, q)
	return uint32(len(t.all) - 1)
}

// drop releases the file in a slot.
func (t *fileTable) drop(slot uint32) {
	t.all[slot].Release()
	t.all[slot] = fileQueue{}
	t.free = append(t.free, slot)
}
