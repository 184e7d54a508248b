//go:build linux

package epollio

import (
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/evloop"
	"github.com/sscd-io/sscd/engine/internal/evloop/evlooptest"
	"github.com/sscd-io/sscd/engine/internal/loop"
)

func TestMain(m *testing.M) { evlooptest.Main(m) }

// rig is a rig of loops of this package.
type rig struct {
	*evlooptest.Rig
	loops []*Loop
	wakes []*atomic.Int64 // of each loop
}

// counted is a loop's backend that counts its wakes.
type counted struct {
	*Loop
	wakes *atomic.Int64
}

func (c counted) Wake() {
	c.wakes.Add(1)
	c.Loop.Wake()
}

// newRig returns a rig whose loops are not served yet.
func newRig(t testing.TB, loops int, set ...func(*core.Config)) *rig {
	t.Helper()
	r := new(rig)
	r.Rig = evlooptest.New(t, func(cfg *loop.Config) (evloop.Server, error) {
		l, err := New(cfg)
		if err != nil {
			return nil, err
		}
		wakes := new(atomic.Int64)
		l.Loop = loop.New(cfg, counted{l, wakes}, arenaShift, false)
		r.loops, r.wakes = append(r.loops, l), append(r.wakes, wakes)
		return l, nil
	}, loops, set...)
	return r
}

// serve is newRig with loops that run.
func serve(t testing.TB, loops int, set ...func(*core.Config)) *rig {
	t.Helper()
	r := newRig(t, loops, set...)
	r.Start()
	return r
}

// connOf is the transport of a member.
func connOf(m *evlooptest.Member) *conn { return m.LC.Transport().(*conn) }

// hold keeps the goroutine of a loop busy, outside any turn, as a batch of events of others would. It
// returns what lets it go on.
func (r *rig) hold(l *Loop) (release func()) {
	r.T.Helper()
	p := evlooptest.Pair(r.T)
	held, gate := make(chan struct{}), make(chan struct{})
	r.Inside(l, func() {
		l.watch(p[0], func() {
			forget(l, p[0])
			close(held)
			<-gate
		})
	})
	unix.Write(p[1], []byte("x"))
	r.Wait("a loop to be held", held)
	unix.Close(p[1])
	return sync.OnceFunc(func() { close(gate) })
}

// forget ends watching a descriptor, and closes it.
func forget(l *Loop, fd int) {
	l.poller.Delete(fd)
	delete(l.handle, fd)
	l.closeLater(fd)
}

// epollDescriptor is that of a loop's poller.
func epollDescriptor(l *Loop) int {
	return int(reflect.ValueOf(l.poller).Elem().FieldByName("fd").Int())
}
