package file

import (
	"sync"

	"github.com/sscd-io/sscd/engine"
)

// shares counts the transfers of a Handler. A connection gets another one while it has fewer than are free: so it has
// half of all if it is the only one, and whoever comes later finds some. The zero value is ready.
type shares struct {
	mu  sync.Mutex
	all int
	own map[*engine.Conn]int // of connections that have any
}

// book counts one more transfer of a connection, of at most limit of all, or returns why there may be none.
func (s *shares) book(c *engine.Conn, limit int) engine.Code {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.own[c]
	switch {
	case own < limit-s.all:
	case own > 0:
		return TooMany
	default:
		return engine.Refused
	}
	if s.own == nil {
		s.own = make(map[*engine.Conn]int)
	}
	s.own[c]++
	s.all++
	return engine.NoError
}

// release counts one less.
func (s *shares) release(c *engine.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.own[c]--; s.own[c] == 0 {
		delete(s.own, c)
	}
}
