package loop

import (
	"testing"

	"github.com/sscd-io/sscd/codec"
)

// Batches are filled to the last byte, with control frames as long as they may be.
func TestLongOpensFillABatch(t *testing.T) {
	s := newStage(t)
	a := s.join(true)
	a.hear(frame(codec.FirstExtension, 0, nil))
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("panic in core.Conn.Next: %v", r)
		}
	}()
	for before := 3580; before < 3610; before++ { // the batch so far ends near the limit of controlBytes
		sizes := []int{before, 4096}
		for range 14 {
			sizes = append([]int{4096}, sizes...)
		}
		for _, n := range sizes {
			h := s.l.Arena.Open()
			s.l.Post(Op{Kind: Open, Conn: &a.lc, Channel: h, Buf: s.pool.Get(n)})
			s.l.Arena.Shut(h)
			s.l.Post(Op{Kind: Close, Conn: &a.lc, Channel: h})
		}
		s.settle()
		if got := len(a.frames()); got != 2*len(sizes) {
			t.Fatalf("%d frames for %d opens and closes", got, len(sizes))
		}
	}
}
