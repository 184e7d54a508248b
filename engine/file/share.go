package file

import (
	"container/list"
	"sync"
	"syscall"

	"github.com/sscd-io/sscd/engine"
)

// glances is how many transfers are looked at for one that has none, at most: with more shares than that it may be
// refused although one is free, and the next goes on looking.
const glances = 1024

// shares counts the transfers of a Handler that hold a descriptor, or are about to. A connection gets another one while
// it has fewer than are free: so it has half of all if it is the only one, and whoever comes later finds some. The zero
// value is ready.
//
// The engine closes a file when its range has left, and tells nobody. So who finds no share looks for files that are
// closed by now: what a peer does, or does not, once it has its file keeps none from others.
type shares struct {
	mu  sync.Mutex
	all list.List            // of *transfer: whom to look at first is in front
	own map[*engine.Conn]int // of connections that have any
}

// book counts one more transfer, of at most limit of all, or returns why there may be none.
func (s *shares) book(t *transfer, limit int) engine.Code {
	s.mu.Lock()
	defer s.mu.Unlock()
	code := s.lacks(t.conn, limit)
	if code != engine.NoError {
		s.sweep()
		code = s.lacks(t.conn, limit)
	}
	if code != engine.NoError {
		return code
	}
	if s.own == nil {
		s.own = make(map[*engine.Conn]int)
	}
	s.own[t.conn]++
	t.place = s.all.PushBack(t)
	return engine.NoError
}

// lacks returns why a connection may have no more transfers, or NoError.
func (s *shares) lacks(c *engine.Conn, limit int) engine.Code {
	switch own := s.own[c]; {
	case own < limit-s.all.Len():
		return engine.NoError
	case own > 0:
		return TooMany
	}
	return engine.Refused
}

// sweep counts those less whose file is closed.
func (s *shares) sweep() {
	for range min(s.all.Len(), glances) {
		if t := s.all.Front().Value.(*transfer); t.closed() {
			s.drop(t)
		} else {
			s.all.MoveToBack(t.place)
		}
	}
}

// opened tells which file a transfer has.
func (s *shares) opened(t *transfer, f syscall.RawConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.file = f
}

// ended tells that the channel of a transfer has ended. If it still has a file, or is about to, it counts until that
// is closed.
func (s *shares) ended(t *transfer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.closed() {
		s.drop(t)
	}
}

// release counts one less, whose file is closed or was never opened.
func (s *shares) release(t *transfer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(t)
}

// drop is release within the lock. A transfer that is counted no more stays so.
func (s *shares) drop(t *transfer) {
	if t.place == nil {
		return
	}
	s.all.Remove(t.place)
	t.place = nil
	if s.own[t.conn]--; s.own[t.conn] == 0 {
		delete(s.own, t.conn)
	}
}
