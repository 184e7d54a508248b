package pool

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// The size classes are the powers of two between these. Smaller requests get the smallest; larger
// ones are not pooled: they are rare, and one of them would hold a class worth of memory.
const (
	minBits = 6  // 64 B: a short message
	maxBits = 20 // 1 MiB: the largest frame
)

// Pool hands out buffers. The zero value is ready; all methods may be called from any goroutine.
type Pool struct {
	classes [maxBits - minBits + 1]sync.Pool
	ledger
}

// Buf is a buffer with a reference count.
type Buf struct {
	B []byte // the bytes; an owner may reslice it

	refs  int32 // atomic while there is more than one
	class int8  // index into Pool.classes, or unpooled
	array []byte
	pool  *Pool
}

const unpooled = -1

// Get returns a buffer with len(B) == n, its content undefined, owned by the caller.
func (p *Pool) Get(n int) *Buf {
	b := p.get(n)
	b.B = b.array[:n]
	b.refs = 1
	p.lent(b)
	return b
}

func (p *Pool) get(n int) *Buf {
	if n > 1<<maxBits {
		return &Buf{array: make([]byte, n), class: unpooled, pool: p}
	}
	class := classOf(n)
	if b, ok := p.classes[class].Get().(*Buf); ok {
		p.returned(b)
		return b
	}
	return &Buf{array: make([]byte, 1<<(class+minBits)), class: int8(class), pool: p}
}

// classOf is the class that n bytes need.
func classOf(n int) int { return max(0, bits.Len(uint(max(n, 1)-1))-minBits) }

// Copy returns a buffer with the bytes of s, owned by the caller.
func (p *Pool) Copy(s []byte) *Buf {
	b := p.Get(len(s))
	copy(b.B, s)
	return b
}

// Cap is how many bytes b can hold in all, wherever B points.
func (b *Buf) Cap() int { return len(b.array) }

// Retain adds a reference. The caller must have one already, or borrow from who has.
func (b *Buf) Retain() {
	if atomic.AddInt32(&b.refs, 1) <= 1 {
		panic("pool: Retain of a released buffer")
	}
}

// Release gives up one reference. The caller must not touch b any more.
func (b *Buf) Release() {
	if !b.last() {
		return
	}
	b.pool.back(b)
	if b.class != unpooled {
		b.pool.classes[b.class].Put(b)
	}
}

// last gives up one reference and returns whether it was the last one. Who has the only one needs no
// atomic write: nobody else can have got another from it.
func (b *Buf) last() bool {
	if atomic.LoadInt32(&b.refs) == 1 {
		b.refs = 0
	} else if n := atomic.AddInt32(&b.refs, -1); n > 0 {
		return false
	} else if n < 0 {
		panic("pool: buffer released twice")
	}
	b.B = nil
	return true
}
