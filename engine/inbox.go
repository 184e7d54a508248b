package engine

import (
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/pool"
)

// inbox is what came on a stream and nobody waited for. Its memory counts for the connection's account, but for
// the first freeBytes: so streams that are read get their data, whatever others keep.
type inbox struct {
	chunks []*pool.Buf
	off    int // of the first chunk: what is read of it
	kept   int // bytes of memory that the chunks take
}

const (
	// chunkBytes is the least that is taken from the pool but for the first chunk: those of small messages
	// grow up to it.
	chunkBytes = 4 << 10

	// freeBytes is how much an inbox may keep that counts for no account.
	freeBytes = 16 << 10
)

// empty returns whether there is nothing.
func (b *inbox) empty() bool { return len(b.chunks) == 0 }

// add copies p in, and returns false if there is no memory for it.
func (b *inbox) add(p []byte, mem *pool.Pool, m *core.Budget) bool {
	if n := len(b.chunks); n > 0 {
		last := b.chunks[n-1]
		used := len(last.B)
		last.B = last.B[:min(last.Cap(), used+len(p))]
		p = p[copy(last.B[used:], p):]
	}
	if len(p) == 0 {
		return true
	}
	size := len(p)
	if len(b.chunks) > 0 {
		size = max(size, chunkBytes)
	}
	c := mem.Get(size)
	if !b.book(c.Cap(), m) {
		c.Release()
		return false
	}
	c.B = c.B[:copy(c.B, p)]
	b.chunks = append(b.chunks, c)
	return true
}

// read moves bytes to p and returns how many.
func (b *inbox) read(p []byte, m *core.Budget) (n int) {
	for len(b.chunks) > 0 && n < len(p) {
		first := b.chunks[0]
		k := copy(p[n:], first.B[b.off:])
		n += k
		if b.off += k; b.off == len(first.B) {
			b.unbook(first.Cap(), m)
			first.Release()
			b.chunks[0] = nil
			b.chunks, b.off = b.chunks[1:], 0
		}
	}
	if len(b.chunks) == 0 {
		b.chunks = nil
	}
	return n
}

// drop drops everything, and returns how much that was.
func (b *inbox) drop(m *core.Budget) (n int) {
	for _, c := range b.chunks {
		n += len(c.B)
		b.unbook(c.Cap(), m)
		c.Release()
	}
	n -= b.off
	b.chunks, b.off = nil, 0
	return n
}

// book books n bytes of memory. Nobody may keep so much that others find nothing.
func (b *inbox) book(n int, m *core.Budget) bool {
	before, after := max(0, b.kept-freeBytes), max(0, b.kept+n-freeBytes)
	if after > before && (int64(after) > m.Room() || !m.Take(after-before)) {
		return false
	}
	b.kept += n
	return true
}

// unbook gives n of them back.
func (b *inbox) unbook(n int, m *core.Budget) {
	before := max(0, b.kept-freeBytes)
	b.kept -= n
	m.Give(before - max(0, b.kept-freeBytes))
}
