package engine

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sscd-io/sscd/engine/internal/sock"
)

// dialNet connects with package net.
func (e *Engine) dialNet(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Control: e.cfg.Socket.control}
	network, rest := sock.Network(addr)
	nc, err := d.DialContext(ctx, network, rest)
	if err != nil {
		return nil, err
	}
	if err := e.cfg.Socket.apply(nc); err != nil {
		nc.Close()
		return nil, err
	}
	return nc, nil
}

// netListener accepts for the Net backend.
type netListener struct {
	net.Listener
	e      *Engine
	pauses atomic.Uint64
	failed atomic.Uint64
	done   sync.WaitGroup
	quit   chan struct{}
}

// listenNet listens with package net.
func (e *Engine) listenNet(addr string) ([]listener, error) {
	lc := net.ListenConfig{Control: e.cfg.Socket.controlListener}
	lc.SetMultipathTCP(false) // it lacks some of TCP's options; Epoll does not use it either
	network, rest := sock.Network(addr)
	nl, err := lc.Listen(context.Background(), network, rest)
	if network == "unix" && sock.RemoveStale(rest, err) {
		nl, err = lc.Listen(context.Background(), network, rest)
	}
	if err != nil {
		return nil, err
	}
	if err := e.cfg.Socket.setBacklog(nl); err != nil {
		nl.Close()
		return nil, err
	}
	l := &netListener{Listener: nl, e: e, quit: make(chan struct{})}
	l.done.Go(l.accept)
	return []listener{l}, nil
}

// accept accepts until Close.
func (l *netListener) accept() {
	const minPause, maxPause = 10 * time.Millisecond, time.Second
	pause := time.Duration(0)
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			if err := l.serve(nc); err != nil {
				l.failed.Add(1)
				if !errors.Is(err, ErrClosed) {
					l.e.cfg.Logger.Warn("connection can't be served", "err", err)
				}
			}
			continue
		case errors.Is(err, net.ErrClosed):
			return
		}
		// Out of descriptors or memory; package net skips what is about single connections.
		l.pauses.Add(1)
		if pause == 0 {
			l.e.cfg.Logger.Warn("accepting pauses", "addr", l.Addr(), "err", err)
		}
		pause = min(max(2*pause, minPause), maxPause)
		select {
		case <-time.After(pause):
		case <-l.quit:
			return
		}
	}
}

// serve has the engine serve a connection that was accepted.
func (l *netListener) serve(nc net.Conn) error {
	if l.e.crowd() {
		return nc.Close()
	}
	if err := l.e.cfg.Socket.apply(nc); err != nil {
		nc.Close()
		return err
	}
	_, err := l.e.Server(nc)
	return err
}

// Close implements listener. It does not wait for accept, which may wait for the engine.
func (l *netListener) Close() {
	close(l.quit)
	l.Listener.Close()
}

func (l *netListener) addTo(s *Stats) {
	s.AcceptPauses += l.pauses.Load()
	s.AcceptFailed += l.failed.Load()
}
