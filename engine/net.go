package engine

import (
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"context"
)

// splitAddr splits an address into the network and the address that package net wants.
func splitAddr(addr string) (network, rest string) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return "unix", path
	}
	return "tcp", addr
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
	lc := net.ListenConfig{Control: e.cfg.Socket.control}
	network, rest := splitAddr(addr)
	nl, err := lc.Listen(context.Background(), network, rest)
	if err != nil {
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
			if _, err := l.e.Server(nc); err != nil {
				l.failed.Add(1)
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

// Close implements listener. It does not wait for accept, which may wait for the engine.
func (l *netListener) Close() {
	close(l.quit)
	l.Listener.Close()
}

func (l *netListener) addTo(s *Stats) {
	s.AcceptPauses += l.pauses.Load()
	s.AcceptFailed += l.failed.Load()
}
