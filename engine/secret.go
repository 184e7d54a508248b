package engine

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"net"
)

// errClearText means that credentials would be sent where others may read them.
var errClearText = errors.New("engine: credentials go over TLS, a Unix socket or the loopback only")

// Secret returns an Authorize that accepts the given credentials, compared in constant time.
func Secret(accepted ...[]byte) func(*Conn, []byte) bool {
	sums := make([][sha256.Size]byte, len(accepted))
	for i, s := range accepted {
		sums[i] = sha256.Sum256(s)
	}
	return func(_ *Conn, credentials []byte) bool {
		got, good := sha256.Sum256(credentials), 0
		for i := range sums {
			good |= subtle.ConstantTimeCompare(got[:], sums[i][:])
		}
		return good == 1 && credentials != nil
	}
}

// mayTell returns whether this side's credentials may be sent over nc.
func (e *Engine) mayTell(nc net.Conn) bool {
	if e.cfg.Credentials == nil || e.cfg.CredentialsAnywhere {
		return true
	}
	if _, ok := nc.(*tls.Conn); ok {
		return true
	}
	a := nc.RemoteAddr()
	if a == nil {
		return false
	}
	switch a.Network() {
	case "unix", "pipe":
		return true
	case "tcp":
		ip, _, _ := net.SplitHostPort(a.String())
		return net.ParseIP(ip).IsLoopback()
	}
	return false
}
