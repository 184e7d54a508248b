//go:build linux

package evlooptest

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"

	"github.com/sscd-io/sscd/engine/internal/evloop"
	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/engine/internal/sock"
)

// Door is a listener of a rig.
type Door struct {
	*evloop.Acceptor
	Warned atomic.Int64
	Where  string // the address
}

// warnings is a log that counts.
type warnings struct {
	slog.Handler
	n *atomic.Int64
}

func (w warnings) Enabled(context.Context, slog.Level) bool { return true }

func (w warnings) Handle(context.Context, slog.Record) error {
	w.n.Add(1)
	return nil
}

// Listen has loop 0 accept for all loops, as an engine does.
func (r *Rig) Listen(addr string) *Door {
	r.T.Helper()
	fd, err := sock.Listen(addr, sock.Options{})
	if err != nil {
		r.T.Fatal(err)
	}
	return r.Accept(fd, r.Idlest)
}

// Accept has loop 0 accept from fd, which need not be able to, for the loops that pick chooses.
func (r *Rig) Accept(fd int, pick func() evloop.Server) *Door {
	r.T.Helper()
	d := new(Door)
	log := slog.New(warnings{slog.DiscardHandler, &d.Warned})
	a, err := evloop.Accept(r.Loops[0], fd, false, log, pick, r.Make)
	if err != nil {
		r.T.Fatal(err)
	}
	d.Acceptor = a
	if a.Addr() != nil {
		d.Where = a.Addr().String()
	}
	return d
}

// Make makes a member for a connection that was accepted.
func (r *Rig) Make() (*loop.Conn, loop.Events) {
	m := r.NewMember()
	return &m.LC, m
}

// Idlest is the loop with the fewest connections.
func (r *Rig) Idlest() evloop.Server {
	best := r.Loops[0]
	for _, l := range r.Loops[1:] {
		if evloop.Load(l) < evloop.Load(best) {
			best = l
		}
	}
	return best
}

// Dial connects, which the kernel does alone.
func (d *Door) Dial(t testing.TB) *Peer {
	t.Helper()
	nc, err := net.Dial("tcp", d.Where)
	if err != nil {
		t.Fatal(err)
	}
	return OfConn(t, nc)
}
