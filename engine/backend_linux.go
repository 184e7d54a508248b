package engine

import (
	"errors"
	"log/slog"
	"math"
	"net"
	"sync"
	"syscall"

	"github.com/panjf2000/gnet/v2/pkg/logging"
	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/epollio"
	"github.com/sscd-io/sscd/engine/internal/evloop"
	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/engine/internal/netio"
	"github.com/sscd-io/sscd/engine/internal/sock"
	"github.com/sscd-io/sscd/engine/internal/uringio"
)

const haveEventLoops = true

// loopBackends are those with event loops that work here.
func loopBackends() []Backend {
	if uringio.Probe() != nil {
		return []Backend{Epoll}
	}
	return []Backend{Epoll, IOUring}
}

// spareFiles is how many descriptors are left for other things than accepted connections.
const spareFiles = 256

// maxConns is how many connections the limit of descriptors allows.
func maxConns() int {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil {
		return math.MaxInt
	}
	files := int(min(r.Cur, math.MaxInt32))
	return max(files-spareFiles, files/2)
}

// eventLoops are the event loops of an engine. A nil one has none.
type eventLoops struct {
	backend Backend
	loops   []evloop.Server
	served  sync.WaitGroup
	errs    chan error
}

// startLoops returns the engine's loops, which it starts if there are none yet.
func (e *Engine) startLoops() (*eventLoops, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrClosed
	}
	if e.loops != nil {
		return e.loops, nil
	}
	p, err := e.makeLoops()
	if err != nil {
		return nil, err
	}
	for _, l := range p.loops {
		p.served.Go(func() {
			if err := l.Serve(); err != nil {
				e.cfg.Logger.Error("loop ended", "err", err)
				p.errs <- err
			}
		})
	}
	e.loops = p
	return p, nil
}

// makeLoops makes the loops of the backend, or of epoll if there is no io_uring. It says which.
func (e *Engine) makeLoops() (*eventLoops, error) {
	log := e.cfg.Logger
	if e.cfg.Backend == IOUring {
		p, err := e.makeAll(IOUring, func() (evloop.Server, error) { return uringio.New(e.loopCfg) })
		if err == nil {
			log.Info("event loops with io_uring", "loops", e.cfg.Loops)
			return p, nil
		}
		log.Warn("event loops with epoll: io_uring can't be used", "reason", uringio.Explain(err), "err", err)
	}
	tameGnet(log)
	return e.makeAll(Epoll, func() (evloop.Server, error) { return epollio.New(e.loopCfg) })
}

// makeAll makes all loops or none.
func (e *Engine) makeAll(b Backend, newLoop func() (evloop.Server, error)) (*eventLoops, error) {
	p := &eventLoops{backend: b, errs: make(chan error, e.cfg.Loops)}
	for range e.cfg.Loops {
		l, err := newLoop()
		if err != nil {
			for _, l := range p.loops {
				l.Discard()
			}
			return nil, err
		}
		p.loops = append(p.loops, l)
	}
	return p, nil
}

// stop ends the loops and returns why they ended before, if they did.
func (p *eventLoops) stop() error {
	if p == nil {
		return nil
	}
	for _, l := range p.loops {
		l.Stop()
	}
	p.served.Wait()
	var err error
	for len(p.errs) > 0 {
		err = errors.Join(err, <-p.errs)
	}
	return err
}

func (p *eventLoops) all() (out []*loop.Loop) {
	if p == nil {
		return nil
	}
	for _, l := range p.loops {
		out = append(out, evloop.Of(l))
	}
	return out
}

// addTo adds what only some kinds of loops count.
func (p *eventLoops) addTo(s *Stats) {
	if p == nil {
		return
	}
	for _, l := range p.loops {
		if u, ok := l.(*uringio.Loop); ok {
			s.RingNoBuffers += u.Counters.NoBuffers.Load()
			s.RingOverflows += u.Counters.Overflows.Load()
			s.RingBusy += u.Counters.Busy.Load()
			s.RingUnarmed += u.Counters.Unarmed.Load()
		}
	}
}

// is is the backend that the loops are of.
func (p *eventLoops) is() Backend { return p.backend }

// load is how many connections the loops have, with those on their way to them.
func (p *eventLoops) load() (n int64) {
	if p == nil {
		return 0
	}
	for _, l := range p.loops {
		n += evloop.Load(l)
	}
	return n
}

// idlest returns the loop with the fewest connections.
func (p *eventLoops) idlest() evloop.Server {
	best := p.loops[0]
	for _, l := range p.loops[1:] {
		if evloop.Load(l) < evloop.Load(best) {
			best = l
		}
	}
	return best
}

// loopListener is an Acceptor of the engine's.
type loopListener struct{ *evloop.Acceptor }

func (l loopListener) addTo(s *Stats) {
	s.AcceptPauses += l.Pauses.Load()
	s.AcceptSkipped += l.Skipped.Load()
	s.AcceptFailed += l.Failed.Load()
}

// listenLoops listens for the event loops: with one socket, or with one for each loop.
func (e *Engine) listenLoops(addr string) (ls []listener, err error) {
	p, err := e.startLoops()
	if err != nil {
		return nil, err
	}
	accept := func(l evloop.Server, pick func() evloop.Server) error {
		fd, err := sock.Listen(addr, e.cfg.Socket.options())
		if err != nil {
			return err
		}
		a, err := evloop.Accept(l, fd, e.cfg.Socket.QuickAck, e.cfg.Logger, pick, e.newConn)
		if err != nil {
			return err
		}
		ls = append(ls, loopListener{a})
		addr = a.Addr().String() // the next one shares the port chosen
		return nil
	}
	if !e.cfg.Socket.ReusePort {
		err := accept(p.loops[0], func() evloop.Server {
			if e.crowd() {
				return nil
			}
			return p.idlest()
		})
		return ls, err
	}
	for _, l := range p.loops {
		own := func() evloop.Server {
			if e.crowd() {
				return nil
			}
			return l
		}
		if err := accept(l, own); err != nil {
			for _, l := range ls {
				l.Close()
			}
			return nil, err
		}
	}
	return ls, nil
}

// newConn makes what a loop needs for a connection it accepted.
func (e *Engine) newConn() (*loop.Conn, loop.Events) {
	c := &Conn{engine: e}
	return &c.lc, (*connEvents)(c)
}

// dialledLoops moves a connection of package net to an event loop.
func (e *Engine) dialledLoops(nc net.Conn) (*Conn, error) {
	if !e.mayTell(nc) {
		nc.Close()
		return nil, errClearText
	}
	p, err := e.startLoops()
	if err != nil {
		nc.Close()
		return nil, err
	}
	fd, err := sock.Take(nc)
	if err != nil {
		nc.Close()
		return nil, err
	}
	c := &Conn{engine: e}
	l := p.idlest()
	called := false
	<-evloop.Of(l).Call(func() {
		called = true
		if e.isClosed() { // Shutdown has spoken to all connections, and would wait for this one
			unix.Close(fd)
			err = ErrClosed
			return
		}
		err = l.Attach(fd, &c.lc, (*connEvents)(c), true, e.cfg.Socket.QuickAck)
	})
	if !called {
		unix.Close(fd)
		err = ErrClosed
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// options is s as package sock has it.
func (s SocketConfig) options() sock.Options { return sock.Options(s) }

// control sets the options of a socket that package net makes.
func (s SocketConfig) control(network, _ string, raw syscall.RawConn) (err error) {
	if network == "unix" {
		return nil
	}
	cerr := raw.Control(func(fd uintptr) { err = sock.Apply(int(fd), s.options()) })
	return errors.Join(err, cerr)
}

// controlListener is control for a socket that is to listen.
func (s SocketConfig) controlListener(network, addr string, raw syscall.RawConn) (err error) {
	if s.ReusePort {
		if network == "unix" {
			return sock.ErrReusePort
		}
		cerr := raw.Control(func(fd uintptr) { err = sock.ReusePort(int(fd)) })
		if err := errors.Join(err, cerr); err != nil {
			return err
		}
	}
	return s.control(network, addr, raw)
}

// setBacklog has as many connections wait for a listener as is wanted, which package net can't be told.
func (s SocketConfig) setBacklog(l net.Listener) error {
	if s.Backlog == 0 {
		return nil
	}
	return sock.Control(l, func(fd int) error { return sock.Backlog(fd, s.Backlog) })
}

// apply sets the options of a connection that package net made. It has set some its own way, after control,
// and an accepted one does not inherit all.
func (s SocketConfig) apply(nc net.Conn) error {
	if _, ok := nc.(*net.TCPConn); !ok || s == (SocketConfig{}) {
		return nil
	}
	return sock.Control(nc, func(fd int) error { return sock.Apply(fd, s.options()) })
}

// effective reads the options of a transport's socket.
func effective(t loop.Transport) (SocketConfig, error) {
	switch t := t.(type) {
	case *netio.Conn:
		var o sock.Options
		err := sock.Control(t.NetConn(), func(fd int) (err error) {
			o, err = sock.Effective(fd)
			return err
		})
		return SocketConfig(o), err
	case interface{ Options() (sock.Options, error) }:
		o, err := t.Options()
		return SocketConfig(o), err
	}
	return SocketConfig{}, errors.ErrUnsupported
}

// tameGnet hands gnet's logging, which writes to standard output, to ours. There is one for the process:
// the first engine's.
var tameGnet = func() func(*slog.Logger) {
	var once sync.Once
	return func(log *slog.Logger) {
		once.Do(func() { logging.SetDefaultLoggerAndFlusher(gnetLogger{log}, nil) })
	}
}()
