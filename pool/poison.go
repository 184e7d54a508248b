//go:build poison

package pool

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Poison says whether this is the poison build.
const Poison = true

// poison fills released memory. As an offset or a length it is absurd, as text it is no UTF-8.
const poison = 0xDB

// ledger knows who holds what.
type ledger struct {
	mu   sync.Mutex
	live map[*Buf]string
}

// lent notes that b is out, and where it was taken.
func (l *ledger) lent(b *Buf) {
	var pcs [4]uintptr
	where := ""
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		where += fmt.Sprintf("%s:%d ", f.Function, f.Line)
		if !more {
			break
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.live == nil {
		l.live = make(map[*Buf]string)
	}
	l.live[b] = where
}

// back poisons b, which its last owner released.
func (l *ledger) back(b *Buf) {
	l.mu.Lock()
	delete(l.live, b)
	l.mu.Unlock()
	for i := range b.array {
		b.array[i] = poison
	}
}

// returned checks that nobody wrote to b since back.
func (*ledger) returned(b *Buf) {
	for i, c := range b.array {
		if c != poison {
			panic(fmt.Sprintf("pool: byte %d of a buffer of %d was written after its release", i, len(b.array)))
		}
	}
}

// Leaks lists where the buffers not released yet were taken; only the poison build knows.
func (l *ledger) Leaks() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for b, where := range l.live {
		out = append(out, fmt.Sprintf("%d bytes, %d references: %s", len(b.array), atomic.LoadInt32(&b.refs), where))
	}
	slices.Sort(out)
	return out
}
