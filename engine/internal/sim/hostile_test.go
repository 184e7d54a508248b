package sim

import (
	"bytes"
	"testing"

	"github.com/sscd-io/sscd/engine/internal/core"
)

// Every frame finds a channel of the core's in every state, in both profiles, and the core does what the model says.
func TestEveryFrameInEveryState(t *testing.T) {
	send, deliver := Op{Kind: Send, N: 1 << 20}, Op{Kind: Deliver, N: 1 << 20}
	opening := []Op{{Kind: Open}, send}
	open := append(opening[:2:2], frameOp(4, mOpening), deliver)
	abandoned := append(opening[:2:2], Op{Kind: Close}, send)
	closing := append(open[:4:4], Op{Kind: Close}, send)
	crossed := append(closing[:6:6], frameOp(2, mClosing), deliver)
	ways := []struct {
		state modelState
		as    core.State
		ops   []Op
	}{
		{mOpening, core.StateOpening, opening}, {mAbandoned, core.StateAbandoned, abandoned},
		{mClosing, core.StateClosing, closing}, {mCrossed, core.StateCrossed, crossed},
	}
	w := NewWorld()
	for _, way := range ways {
		for typ := byte(1); typ <= 9; typ++ {
			for seed := range uint64(32) {
				s := &Script{Setup: Expand(seed).Setup}
				s.Setup.Seed, s.Setup.Hostile, s.Setup.Mail, s.Setup.Core = seed, true, false, Client
				s.Setup.Extended = seed%2 == 1
				hello := frameOp(6, mCrossed) // the first frame of an extended peer
				s.Ops = append([]Op{hello, deliver}, way.ops...)
				s.Ops = append(s.Ops, frameOp(typ, way.state), deliver)
				if f := w.Run(s); f != nil {
					t.Fatalf("%v\n%v", f, s)
				}
			}
			if typ != 6 && typ != 7 && w.Stats.Seen[way.as][typ] == 0 {
				t.Errorf("no frame of type %d in state %d", typ, way.as)
			}
		}
	}
}

// frameOp is the operation that sends a frame on a channel in that state.
func frameOp(typ byte, state modelState) Op {
	odd := uint32(12)
	switch state {
	case mAbandoned:
		odd = 13
	case mClosing:
		odd = 14
	case mCrossed:
		odd = 15
	}
	return Op{Kind: Frame, N: uint32(bytes.IndexByte(sentTypes[:], typ)) | odd<<8 | 8<<16}
}
