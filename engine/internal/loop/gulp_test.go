package loop

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
)

// A connection is read from in steps that its handling decides on: each as long as turnTime allows, and at most
// twice the last one.
func TestGulpFitsTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		a := s.serve(8)
		var takes time.Duration
		a.app.onData = func(core.Handle, []byte) { time.Sleep(takes); takes = 0 }
		if n := a.lc.Gulp(); n != loneGulp {
			t.Errorf("alone it reads %d bytes, want %d", n, loneGulp)
		}
		s.join(false)
		for _, step := range []struct {
			size  int
			takes time.Duration
			want  int
		}{
			{0, 0, minGulp},                      // to begin with
			{minGulp / 2, time.Second, minGulp},  // too little to tell
			{minGulp, 0, 2 * minGulp},            //
			{16 << 10, 0, 32 << 10},              //
			{32 << 10, turnTime, 32 << 10},       //
			{32 << 10, 2 * turnTime, 16 << 10},   //
			{16 << 10, time.Second, minGulp},     // it is never none
			{60 << 10, 0, 120 << 10},             //
			{240 << 10, 0, MaxGulp},              // nor more than a buffer
			{120 << 10, turnTime / 8, 240 << 10}, //
		} {
			takes = step.takes
			var frames [][]byte
			for left, id := step.size, 0; left > 0; id++ {
				n := min(left, 30<<10)
				frames = append(frames, frame(codec.Data, odd(id), make([]byte, n-codec.HeaderSize)))
				left -= n
			}
			a.hear(frames...)
			if n := a.lc.Gulp(); n != step.want {
				t.Errorf("%d bytes that take %v: then %d, want %d", step.size, step.takes, n, step.want)
			}
		}
	})
}
