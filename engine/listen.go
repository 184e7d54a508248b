package engine

import (
	"context"
	"errors"
	"net"
	"slices"

	"github.com/sscd-io/sscd/engine/internal/gate"
)

var errHandler = errors.New("engine: Config.Handler must be nil where sessions are made")

// Listener accepts sessions.
type Listener struct {
	engine *Engine
	addr   net.Addr

	accept  gate.Gate
	backlog []*Session
	closed  bool
}

// maxSessions is how many sessions wait for Listener.Accept. More are ended.
const maxSessions = 4096

// Listen listens on a TCP address, "host:port", or on a Unix socket, as Engine.Listen does.
func Listen(addr string, cfg Config) (*Listener, error) {
	if cfg.Handler != nil {
		return nil, errHandler
	}
	l := new(Listener)
	cfg.Handler = streams{accepted: l.accepted}
	e, err := Start(cfg)
	if err != nil {
		return nil, err
	}
	l.engine = e
	if l.addr, err = e.Listen(addr); err != nil {
		e.Close()
		return nil, err
	}
	return l, nil
}

// accepted puts a session into the backlog, where those that have ended meanwhile make room.
func (l *Listener) accepted(s *Session) {
	l.accept.Lock()
	defer l.accept.Unlock()
	if len(l.backlog) >= maxSessions {
		l.backlog = slices.DeleteFunc(l.backlog, func(s *Session) bool {
			ended := s.Err() != nil
			if ended {
				s.forgetAll()
			}
			return ended
		})
	}
	if len(l.backlog) >= maxSessions {
		s.conn.Close()
		return
	}
	l.backlog = append(l.backlog, s)
	l.accept.Broadcast()
}

// Accept waits for a session. It returns ErrClosed once the listener is closed.
func (l *Listener) Accept(ctx context.Context) (*Session, error) {
	l.accept.Lock()
	defer l.accept.Unlock()
	for {
		switch {
		case l.closed:
			return nil, ErrClosed
		case len(l.backlog) > 0:
			s := l.backlog[0]
			l.backlog[0] = nil
			if l.backlog = l.backlog[1:]; len(l.backlog) == 0 {
				l.backlog = nil
			}
			return s, nil
		}
		if err := l.accept.WaitContext(ctx); err != nil {
			return nil, err
		}
	}
}

// Addr returns the address listened on.
func (l *Listener) Addr() net.Addr { return l.addr }

// Stats returns the counters of the listener and its sessions.
func (l *Listener) Stats() Stats { return l.engine.Stats() }

// Shutdown stops listening, tells all peers that no new streams are taken, and waits until the sessions
// have ended, within Timeouts.Drain, or until ctx is done, whose error it returns then. The listener is
// closed in both cases.
func (l *Listener) Shutdown(ctx context.Context) error {
	l.shut()
	return l.engine.Shutdown(ctx)
}

// Close ends the listener and all its sessions at once, and waits for that.
func (l *Listener) Close() error {
	l.shut()
	return l.engine.Close()
}

// shut makes Accept return.
func (l *Listener) shut() {
	l.accept.Lock()
	defer l.accept.Unlock()
	l.closed = true
	l.accept.Broadcast()
}
