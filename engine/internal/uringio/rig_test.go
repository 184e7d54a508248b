//go:build linux

package uringio

import (
	"testing"

	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/evloop"
	"github.com/sscd-io/sscd/engine/internal/evloop/evlooptest"
	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/engine/internal/uringio/ring"
)

func TestMain(m *testing.M) { evlooptest.Main(m) }

// small is a ring in which everything runs short.
var small = ring.Config{Entries: 8, Completions: 16, Buffers: 8, BufferSize: 1024, SendBytes: 4096}

// usual is about the ring that New makes.
var usual = ring.Config{Entries: 256, Completions: 4096, Buffers: 16, BufferSize: 64 << 10, SendBytes: 256 << 10}

// newRig returns a rig with a loop with a ring of that size, which is not served yet.
func newRig(t testing.TB, size ring.Config, set ...func(*core.Config)) (*evlooptest.Rig, *Loop) {
	t.Helper()
	r, err := ring.New(size)
	if err != nil {
		t.Skip("no io_uring: ", err)
	}
	r.Close()
	rig := evlooptest.New(t, func(cfg *loop.Config) (evloop.Server, error) { return newSized(cfg, size) }, 1, set...)
	return rig, rig.Loops[0].(*Loop)
}

// serve is newRig with a loop that runs.
func serve(t testing.TB, size ring.Config, set ...func(*core.Config)) (*evlooptest.Rig, *Loop) {
	t.Helper()
	rig, l := newRig(t, size, set...)
	rig.Start()
	return rig, l
}

// greet opens a channel, on which much may be sent.
func greet(p *evlooptest.Peer) {
	p.Say(evlooptest.Opens(1), evlooptest.Grant(1, 1<<30))
	p.Want("ACK 1")
}

// connOf is the transport of a member.
func connOf(m *evlooptest.Member) *conn { return m.LC.Transport().(*conn) }

// settled checks, inside the loop, that each connection has under way what it needs.
func settled(t testing.TB, l *Loop) {
	t.Helper()
	for _, c := range l.conns {
		if c != nil && !c.isUnsettled && c.needs() != 0 {
			t.Errorf("slot %d: nothing is under way: %+v", c.slot.n, c.under)
		}
	}
	if n := l.Counters.Unarmed.Load(); n != 0 {
		t.Errorf("the watch found %d connections", n)
	}
}
