package loop

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
)

// Who wastes the loop's time is not read for as long as the turn took, and 51 times that if two do; what has been read
// already adds to it. Others are read all the while.
func TestWastefulConnectionsRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		waste := bytes.Repeat(frame(200, 0, nil), 5001)
		a, b, good := s.serve(1), s.serve(1), s.serve(1)
		for _, x := range []*actor{a, b, good} {
			x.app.onData = func(core.Handle, []byte) { time.Sleep(ms) }
		}
		hear := func(a *actor) { a.hear(waste[:16], frame(codec.Data, 1, []byte("x"))) }
		wantReading := func(when string, a *actor, want ...bool) {
			t.Helper()
			if !slices.Equal(a.reading, want) {
				t.Errorf("%s: WantRead said %v, want %v", when, a.reading, want)
			}
		}
		s.alarms = nil
		a.hear(waste)
		hear(a) // 1 ms, though it rests
		wantReading("the first", a, false)
		hear(b)
		wantReading("one that has wasted little", b)
		b.hear(waste)
		hear(b)
		wantReading("the second", b, false)
		hear(good)
		wantReading("a good one", good)
		if s.l.resting != 2 || s.l.Stats.Rests.Load() != 2 {
			t.Errorf("%d rest, %d times", s.l.resting, s.l.Stats.Rests.Load())
		}
		s.l.Expire() // 4 ms after the first began
		wantReading("after 1 ms", a, false, true)
		wantReading("of 51 ms", b, false)
		time.Sleep(48 * ms)
		s.l.Expire()
		wantReading("of 51 ms, nearly over", b, false)
		time.Sleep(2 * ms)
		s.l.Expire()
		wantReading("after 51 ms", b, false, true)
		time.Sleep(50 * ms)
		hear(a)
		wantReading("tokens have come back", a, false, true)
		a.hear(waste)
		wantReading("more waste", a, false, true, false)
		s.turn(func() {
			a.lc.Abort(core.End{Code: codec.Cancelled})
			s.l.Touch(&a.lc)
		})
		s.settle()
		if s.l.resting != 0 {
			t.Errorf("%d rest in the end", s.l.resting)
		}
	})
}
