package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/disk"
	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/engine/internal/netio"
	"github.com/sscd-io/sscd/pool"
)

// Engine serves connections, accepted and dialled, with the callbacks of one Handler.
type Engine struct {
	cfg     Config
	handler Handler
	loopCfg *loop.Config
	pool    *pool.Pool
	readers disk.Readers

	wouldBlock atomic.Uint64 // sends that did
	crowded    atomic.Uint64 // connections that were too many
	overfull   atomic.Uint64 // streams reset because nobody read them and memory ran short

	closing sync.Mutex // one Close at a time: all return when everything has ended

	mu        sync.Mutex // never held by who waits for a loop: in callbacks it is wanted too
	gone      *sync.Cond // on mu: a connection has ended
	closed    bool
	loops     *eventLoops // nil until they are needed, and when they have ended
	listeners []listener
	conns     map[*netio.Conn]*Conn
	past      Stats // of ended ones of conns, and of closed listeners
}

// listener accepts connections for an engine.
type listener interface {
	Addr() net.Addr
	Close()
	addTo(*Stats)
}

// Start returns an engine. It has no goroutines and no sockets until it listens or dials.
func Start(cfg Config) (*Engine, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Handler == nil {
		return nil, errors.New("engine: Config.Handler is nil")
	}
	cfg.defaults()
	e := &Engine{cfg: cfg, handler: cfg.Handler, pool: new(pool.Pool), conns: make(map[*netio.Conn]*Conn)}
	e.gone = sync.NewCond(&e.mu)
	e.loopCfg = cfg.loopConfig(e.pool)
	e.loopCfg.Removed = e.removed
	_, e.loopCfg.Hops = cfg.Handler.(streams)
	return e, nil
}

// Listen accepts connections on a TCP address, "host:port", or on a Unix socket, "unix:name" or any
// path with a slash, and returns the address, with the port chosen if it was 0. It blocks, for a short time.
func (e *Engine) Listen(addr string) (net.Addr, error) {
	listen := e.listenLoops
	if e.cfg.Backend == Net || e.cfg.Backend == Auto && !haveEventLoops {
		listen = e.listenNet
	}
	ls, err := listen(addr)
	if err != nil {
		return nil, fmt.Errorf("engine: listening on %s: %w", addr, err)
	}
	e.mu.Lock()
	closed := e.closed
	if !closed {
		e.listeners = append(e.listeners, ls...)
	}
	e.mu.Unlock()
	if closed {
		for _, l := range ls {
			l.Close()
		}
		return nil, ErrClosed
	}
	return ls[0].Addr(), nil
}

// Backend is what serves the connections that are accepted: Config.Backend, unless that is Auto, or IOUring where there
// is none. What is found is known once the engine listens.
func (e *Engine) Backend() Backend {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.loops != nil:
		return e.loops.is()
	case e.cfg.Backend != Auto:
		return e.cfg.Backend
	case haveEventLoops:
		return Epoll
	}
	return Net
}

// Dial connects to an address as of Listen. It blocks.
func (e *Engine) Dial(ctx context.Context, addr string) (*Conn, error) {
	if e.isClosed() {
		return nil, ErrClosed
	}
	nc, err := e.dialNet(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	if e.cfg.Backend == Epoll || e.cfg.Backend == IOUring {
		return e.dialledLoops(nc)
	}
	return e.Client(nc)
}

// Client makes nc, which this side dialled, a connection of the engine, whatever Config.Backend is. The
// engine owns nc from then on.
func (e *Engine) Client(nc net.Conn) (*Conn, error) { return e.attach(nc, true) }

// Server makes nc, which this side accepted, a connection of the engine, whatever Config.Backend is. The
// engine owns nc from then on.
func (e *Engine) Server(nc net.Conn) (*Conn, error) { return e.attach(nc, false) }

// attach serves nc with goroutines of its own.
func (e *Engine) attach(nc net.Conn, client bool) (*Conn, error) {
	if client && !e.mayTell(nc) {
		nc.Close()
		return nil, errClearText
	}
	c := &Conn{engine: e}
	n := netio.New(e.loopCfg, nc, &c.lc)
	e.mu.Lock()
	closed := e.closed
	if !closed {
		e.conns[n] = c
	}
	e.mu.Unlock()
	if closed {
		nc.Close()
		return nil, ErrClosed
	}
	n.Start((*connEvents)(c), client, func() { e.over(n) })
	return c, nil
}

// over takes note that a connection with goroutines of its own has ended.
func (e *Engine) over(n *netio.Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.conns, n)
	e.past.addCounters(n.Loop)
	e.gone.Broadcast()
}

// removed takes note, inside a loop, that a connection has left it.
func (e *Engine) removed() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gone.Broadcast()
}

// Shutdown ends the engine gracefully: it stops listening, takes no new channels, and lets those there
// are end by themselves, within Timeouts.Drain. It blocks until all connections have ended, for which a peer
// that does not close its end when all was sent has 5 s, or until ctx is done, whose error it returns then;
// in both cases the engine is closed.
func (e *Engine) Shutdown(ctx context.Context) error {
	e.closeListeners()
	e.eachConn(func(c *loop.Conn) { c.GoAway() })
	stop := context.AfterFunc(ctx, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.gone.Broadcast()
	})
	defer stop()
	e.mu.Lock()
	for ctx.Err() == nil && e.connsLocked() > 0 {
		e.gone.Wait()
	}
	e.mu.Unlock()
	err := ctx.Err()
	if cerr := e.Close(); err == nil {
		err = cerr
	}
	return err
}

// connsLocked is how many connections there are.
func (e *Engine) connsLocked() int64 {
	n := int64(len(e.conns))
	return n + e.loops.load()
}

// Close ends all connections at once, without a word to the peers, and everything the engine has. It
// blocks until that is done.
func (e *Engine) Close() error {
	e.closing.Lock()
	defer e.closing.Unlock()
	e.closeListeners()
	e.mu.Lock()
	var wait []*netio.Conn
	for n := range e.conns {
		wait = append(wait, n)
	}
	loops := e.loops
	e.loops = nil
	e.mu.Unlock()
	for _, n := range wait {
		n.Abort(core.End{Code: codec.ClosedError, Reason: "engine closed", Err: net.ErrClosed})
		<-n.Done()
	}
	err := loops.stop()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range loops.all() {
		e.past.addCounters(l)
	}
	loops.addTo(&e.past)
	return err
}

// crowd returns whether there are as many connections as may be, and tells those that come how much time they
// have.
func (e *Engine) crowd() bool {
	e.mu.Lock()
	n := e.connsLocked()
	e.mu.Unlock()
	most := int64(e.cfg.MaxConns)
	e.loopCfg.Core.Hurry.Store(n >= most-most/4)
	if n < most {
		return false
	}
	e.crowded.Add(1)
	return true
}

// isClosed returns whether the end of the engine has begun.
func (e *Engine) isClosed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closed
}

// closeListeners stops accepting, for good.
func (e *Engine) closeListeners() {
	e.mu.Lock()
	e.closed = true
	listeners := e.listeners
	e.listeners = nil
	e.mu.Unlock()
	for _, l := range listeners {
		l.Close()
		e.mu.Lock()
		l.addTo(&e.past)
		e.mu.Unlock()
	}
}

// eachConn has f called with each connection, inside its loop.
func (e *Engine) eachConn(f func(*loop.Conn)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for n, c := range e.conns { // c may not be attached to its loop yet
		n.Loop.Post(loop.Op{Kind: loop.Call, Conn: &c.lc, Func: func() { f(&c.lc) }})
	}
	for _, l := range e.loops.all() {
		l.Call(func() {
			l.Conns(func(c *loop.Conn) {
				f(c)
				l.Touch(c)
			})
		})
	}
}
