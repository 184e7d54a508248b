package sim

import (
	"testing"
	"time"

	"github.com/sscd-io/sscd/engine/internal/core"
)

// A PONG does not wait behind a backlog: it is in the next batch, so what arrives before it is at most what the
// transport had taken already and the batch that was being sent. At a gigabit that is two milliseconds.
func TestPongOvertakesTheBacklog(t *testing.T) {
	const (
		lowat = 128 << 10 // what a transport takes ahead of the path
		batch = 64<<10 + 4*16
		slot  = 12_500 // bytes in 100 µs at 1 Gbit/s
	)
	for _, extended := range []bool{false, true} {
		w := NewWorld()
		w.begin(Setup{Seed: 1, Window: 65536, FrameSize: 16384, SendQueue: 1 << 18, MaxChannels: 64, SendBuffer: lowat,
			MaxWrite: 65536, Live: 32, Extended: extended, MaxWindow: 1 << 20, ConnWindow: 1 << 20})
		for range 32 {
			w.do(&Op{Kind: Open, Side: Client})
		}
		backlog := 0
		pass := func() { // the path carries a slot's worth, and the server always has more
			for i := range w.sides[Server].live {
				w.do(&Op{Kind: Write, Side: Server, Pick: uint16(i), N: 65536})
			}
			for from := range w.sides {
				w.do(&Op{Kind: Send, Side: uint8(from), N: 1 << 20})
			}
			w.do(&Op{Kind: Deliver, Side: Server, N: 1 << 20})
			w.do(&Op{Kind: Deliver, Side: Client, N: slot})
			w.do(&Op{Kind: Advance, N: 100})
			backlog = w.links[Client].pending()
		}
		for pings := range 20 {
			for range 50 + 7*pings { // somewhere in a batch
				pass()
			}
			if backlog < lowat/2 {
				t.Fatalf("the path is not saturated: %d bytes are on the way", backlog)
			}
			answers, came, since := w.Stats.Events[core.Ponged], w.links[Client].came, w.now
			w.do(&Op{Kind: Ping, Side: Client})
			for w.Stats.Events[core.Ponged] == answers {
				pass()
				if n := w.links[Client].came - came; n > lowat+batch+2*slot {
					t.Fatalf("extended %v: %d bytes came, and no PONG", extended, n)
				}
			}
			if took := w.now - since; took > 100*time.Millisecond {
				t.Errorf("extended %v: a PONG took %v", extended, took)
			}
		}
		if w.fail != nil {
			t.Error(w.fail)
		}
	}
}
