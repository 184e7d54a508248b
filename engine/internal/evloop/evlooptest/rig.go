//go:build linux

package evlooptest

import (
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/evloop"
	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/pool"
)

// Patience is how long a test waits for what must happen.
const Patience = 20 * time.Second

// Main runs the tests of a package and checks that they leave no goroutine.
func Main(m *testing.M) {
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil { // so that Go has its own poller by now
		l.Close()
	}
	goleak.VerifyTestMain(m)
}

// Maker makes a loop of some backend.
type Maker func(*loop.Config) (evloop.Server, error)

// Rig is event loops and what an engine would give them.
type Rig struct {
	T     testing.TB
	Cfg   *loop.Config
	Loops []evloop.Server

	pool   *pool.Pool
	runs   bool // Serve was called
	served sync.WaitGroup
}

// New returns a rig whose loops are not served yet. When the test is over it ends them, and checks that no
// descriptor, no buffer, no channel and no connection is left.
func New(t testing.TB, maker Maker, loops int, set ...func(*core.Config)) *Rig {
	t.Helper()
	r := &Rig{T: t, pool: new(pool.Pool)}
	r.Cfg = &loop.Config{
		Core:   &core.Config{Profile: core.BaseOnly, Pool: r.pool},
		Logger: slog.New(slog.DiscardHandler), Removed: func() {},
	}
	for _, f := range set {
		f(r.Cfg.Core)
	}
	r.Cfg.Core.Prepare()
	before := Descriptors(t)
	for range loops {
		l, err := maker(r.Cfg)
		if err != nil {
			t.Fatal(err)
		}
		r.Loops = append(r.Loops, l)
	}
	t.Cleanup(func() {
		r.Stop()
		r.served.Wait()
		r.check(before)
	})
	return r
}

// check looks for what is left after the end.
func (r *Rig) check(descriptors int) {
	if after := Descriptors(r.T); after != descriptors {
		r.T.Errorf("%d descriptors after the end, %d before", after, descriptors)
	}
	if leaks := r.pool.Leaks(); len(leaks) > 0 {
		r.T.Errorf("%d buffers not given back:\n%s", len(leaks), strings.Join(leaks[:min(len(leaks), 9)], "\n"))
	}
	for _, l := range r.Loops {
		if n := evloop.Of(l).Arena.Used(); n > 0 {
			r.T.Errorf("%d channels not given back", n)
		}
		if n := evloop.Load(l); n != 0 {
			r.T.Errorf("%d connections counted after the end", n)
		}
	}
}

// Serve is New with loops that run.
func Serve(t testing.TB, maker Maker, loops int, set ...func(*core.Config)) *Rig {
	t.Helper()
	r := New(t, maker, loops, set...)
	r.Start()
	return r
}

// Start has all loops run.
func (r *Rig) Start() {
	for i := range r.Loops {
		r.StartWith(i, func(err error) {
			if err != nil {
				r.T.Error(err)
			}
		})
	}
}

// StartWith has loop i run, and ended called with what its Serve returns.
func (r *Rig) StartWith(i int, ended func(error)) {
	r.runs = true
	r.served.Go(func() { ended(r.Loops[i].Serve()) })
}

// Stop ends the loops. Once more does no harm.
func (r *Rig) Stop() {
	for _, l := range r.Loops {
		if r.runs {
			l.Stop()
		} else {
			evloop.Of(l).Shutdown(core.End{Code: codec.ClosedError})
			l.Discard()
		}
	}
}

// Inside calls f on the goroutine of a loop, within a turn, and waits for that.
func (r *Rig) Inside(l evloop.Server, f func()) {
	r.T.Helper()
	r.Wait("a call", evloop.Of(l).Call(f))
}

// Wait waits until done is closed.
func (r *Rig) Wait(what string, done <-chan struct{}) {
	r.T.Helper()
	select {
	case <-done:
	case <-time.After(Patience):
		r.T.Fatalf("waited in vain: %s", what)
	}
}

// Until waits until ok.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !ok(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// Hold keeps the goroutine of a loop busy, within a turn. It returns what lets it go on, which does no harm twice.
func (r *Rig) Hold(l evloop.Server) (release func()) {
	r.T.Helper()
	held, gate := make(chan struct{}), make(chan struct{})
	evloop.Of(l).Call(func() { close(held); <-gate })
	r.Wait("a loop to be held", held)
	return sync.OnceFunc(func() { close(gate) })
}

// Conns is how many connections are counted, those on their way included.
func (r *Rig) Conns() (n int64) {
	for _, l := range r.Loops {
		n += evloop.Load(l)
	}
	return n
}
