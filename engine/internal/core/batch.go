package core

import (
	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/pool"
)

const (
	// batchBytes is Config.BatchBytes unless that is given: 45 full segments of Ethernet (1,448 bytes), the most that
	// Linux hands to a network card in one piece, and less than the loopback's one segment (65,483). Of a little
	// more, each write would end in a small packet, which costs as much as a large one. It bounds what an urgent
	// frame waits for.
	batchBytes = 45 * 1448

	// batchSlices is how many pieces a batch has at most: what writev takes (IOV_MAX).
	batchSlices = 1024

	// copyLimit is the largest payload that is copied beside its header; larger ones are referenced.
	copyLimit = 512

	// headBytes is the memory for headers and copied payloads.
	headBytes = 64 << 10
)

// Batch is frames to be written in one go. It holds a reference to every buffer in it until Release.
// Who has it may read Slices; they are valid until then.
type Batch struct {
	Slices [][]byte
	Range  Range // to be written behind them

	bufs   []*pool.Buf // of each slice; nil if it lies in head
	head   *pool.Buf   // headers and copied payloads
	most   int         // Config.BatchBytes
	used   int         // of head
	bytes  int
	saved  int // bytes that compression took off
	frames int
}

// Len is how many bytes there are to write.
func (b *Batch) Len() int { return b.bytes }

// Cost is Len without compression, which is about the work that there was to build it.
func (b *Batch) Cost() int { return b.bytes + b.saved }

// fits returns whether n bytes of frames may still come in, of which copied are headers and payloads that
// are copied.
func (b *Batch) fits(n, copied int) bool {
	if b.Range.File != nil {
		return false
	}
	return b.bytes == 0 || b.Cost()+n <= b.most && b.used+copied <= headBytes && len(b.Slices)+2 <= batchSlices
}

// frame appends a frame whose payload is copied. It must fit, and be of at most headBytes. sum is the frame's, or
// nil if it is not known.
func (b *Batch) frame(p *pool.Pool, h codec.Header, payload []byte, sum *codec.Sum) {
	dst := b.reserve(p, codec.HeaderSize+len(payload))
	copy(dst[codec.HeaderSize:], payload)
	if sum != nil {
		sum.Put(dst, h.Channel)
	} else {
		h.Length = uint32(len(payload))
		h.Put(dst, dst[codec.HeaderSize:])
	}
	b.frames++
}

// frameOf is frame of a payload that is part of buf, which the batch retains.
func (b *Batch) frameOf(p *pool.Pool, h codec.Header, payload []byte, sum *codec.Sum, buf *pool.Buf) {
	dst := b.reserve(p, codec.HeaderSize)
	if sum != nil {
		sum.Put(dst, h.Channel)
	} else {
		h.Length = uint32(len(payload))
		h.Put(dst, payload)
	}
	buf.Retain()
	b.Slices = append(b.Slices, payload)
	b.bufs = append(b.bufs, buf)
	b.bytes += len(payload)
	b.frames++
}

// frameOfFile appends a frame whose payload is a range, whose file the batch retains. h.Length is its length. It is
// the last frame.
func (b *Batch) frameOfFile(p *pool.Pool, h codec.Header, r Range) {
	h.Put(b.reserve(p, codec.HeaderSize), nil)
	r.File.Retain()
	b.Range = r
	b.bytes += r.Len
	b.frames++
}

// reserve returns n bytes of head, which are part of the last slice or a new one.
func (b *Batch) reserve(p *pool.Pool, n int) []byte {
	if b.head == nil {
		b.head = p.Get(headBytes)
	}
	from := b.used
	b.used += n
	b.bytes += n
	if last := len(b.Slices) - 1; last >= 0 && b.bufs[last] == nil {
		s := b.Slices[last]
		b.Slices[last] = s[:len(s)+n]
	} else {
		b.Slices = append(b.Slices, b.head.B[from:b.used])
		b.bufs = append(b.bufs, nil)
	}
	return b.head.B[from:b.used]
}

// Rest returns a batch with what is left after the first sent bytes, in memory that fits it, and
// empties b. It is for who has to keep it for long.
func (b *Batch) Rest(p *pool.Pool, sent int) *Batch {
	rest := &Batch{bytes: b.bytes - sent}
	copied := 0
	for i, s := range b.Slices {
		if b.bufs[i] == nil {
			copied += len(s)
		}
	}
	rest.head = p.Get(copied)
	for i, s := range b.Slices {
		if sent >= len(s) {
			sent -= len(s)
			continue
		}
		s, sent = s[sent:], 0
		if b.bufs[i] == nil {
			from := rest.used
			rest.used += copy(rest.head.B[from:], s)
			s = rest.head.B[from:rest.used]
		} else {
			b.bufs[i].Retain()
		}
		rest.Slices = append(rest.Slices, s)
		rest.bufs = append(rest.bufs, b.bufs[i])
	}
	if b.Range.File != nil {
		b.Range.File.Retain()
		rest.Range = b.Range
		rest.Range.Off += int64(sent)
		rest.Range.Len -= sent
	}
	b.Release()
	return rest
}

// Whole returns whether b can be used for Next again: unlike one from Rest.
func (b *Batch) Whole() bool { return b.head == nil || len(b.head.B) == headBytes }

// Release gives all buffers back but the one for headers, and empties b for its next use.
func (b *Batch) Release() {
	for i, buf := range b.bufs {
		if buf != nil {
			buf.Release()
			b.bufs[i] = nil
		}
	}
	if b.Range.File != nil {
		b.Range.File.Release()
		b.Range = Range{}
	}
	clear(b.Slices)
	b.Slices, b.bufs = b.Slices[:0], b.bufs[:0]
	b.used, b.bytes, b.saved, b.frames = 0, 0, 0, 0
}

// Free gives everything back, and leaves b empty and small.
func (b *Batch) Free() {
	b.Release()
	if cap(b.Slices) > 64 {
		b.Slices, b.bufs = nil, nil
	}
	if b.head != nil {
		b.head.Release()
		b.head = nil
	}
}
