//go:build !linux

package engine

import (
	"errors"
	"math"
	"net"
	"syscall"

	"github.com/sscd-io/sscd/engine/internal/loop"
)

const haveEventLoops = false

func loopBackends() []Backend { return nil }

// maxConns is how many connections the system allows: it says when there are too many.
func maxConns() int { return math.MaxInt }

// eventLoops are none on other systems.
type eventLoops struct{}

func (*eventLoops) stop() error       { return nil }
func (*eventLoops) all() []*loop.Loop { return nil }
func (*eventLoops) load() int64       { return 0 }
func (*eventLoops) addTo(*Stats)      {}
func (*eventLoops) is() Backend       { return Net }

func (e *Engine) listenLoops(string) ([]listener, error) { return nil, errors.ErrUnsupported }

func (e *Engine) dialledLoops(nc net.Conn) (*Conn, error) {
	nc.Close()
	return nil, errors.ErrUnsupported
}

// control leaves the socket as package net makes it, without Nagle's algorithm.
func (s SocketConfig) control(_, _ string, _ syscall.RawConn) error {
	if s != (SocketConfig{}) {
		return errors.ErrUnsupported
	}
	return nil
}

func (s SocketConfig) controlListener(network, addr string, raw syscall.RawConn) error {
	return s.control(network, addr, raw)
}

// control has let nothing pass that would be left for setBacklog and apply.

func (SocketConfig) setBacklog(net.Listener) error { return nil }
func (SocketConfig) apply(net.Conn) error          { return nil }

func effective(loop.Transport) (SocketConfig, error) { return SocketConfig{}, errors.ErrUnsupported }
