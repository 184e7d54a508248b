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
		a := s.serve(1)
		var takes time.Duration
		a.app.onData = func(core.Handle, []byte) { time.Sleep(takes) }
		if n := a.lc.Gulp(); n != MaxGulp {
			t.Errorf("alone it reads %d bytes, want %d", n, MaxGulp)
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
			{MaxGulp - 100, 0, MaxGulp},          // nor more than a buffer
			{MaxGulp / 2, turnTime / 8, MaxGulp}, //
		} {
			takes = step.takes
			if n := step.size - codec.HeaderSize; n > 0 {
				a.hear(frame(codec.Data, 1, make([]byte, n)))
			}
			if n := a.lc.Gulp(); n != step.want {
				t.Errorf("%d bytes that take %v: then %d, want %d", step.size, step.takes, n, step.want)
			}
		}
	})
}
