package main

import (
	"context"
	"fmt"
	"io"

	"github.com/sscd-io/sscd/bench"
)

// peer is one of the things compared.
type peer interface {
	// lacks returns why the peer cannot do that, or nothing.
	lacks(t *task) string
	// round makes one round, in a process of its own that ends afterwards: nothing needs to be closed.
	round(ctx context.Context, t *task, p bench.Program) (*bench.Result, error)
}

// named is a peer with its name.
type named struct {
	name string
	peer
}

// peers returns all, in the order of the tables.
func peers() []named {
	all := []named{{bench.OurPeer, callbacks{}}}
	for _, t := range transports() {
		all = append(all, named{t.name, driven{t}})
	}
	return all
}

// settings are what servers and clients are told alike.
type settings struct {
	Window     int    `json:"window"`         // receive window of a stream, in bytes, where that is fixed
	Backend    string `json:"backend"`        // of sscd's servers; empty means the usual one
	SendBuffer int    `json:"send_buffer"`    // SO_SNDBUF of servers; 0 means the system's default
	Streams    int    `json:"streams"`        // of a connection, at most
	Size       int    `json:"size"`           // bytes of a message
	File       string `json:"file,omitempty"` // of which downloads are, in mode file
}

// transport is a peer as far as the code is its own.
type transport struct {
	name       string
	priorities bool

	// most is how many streams it gets to leave idle, so that neither memory nor descriptors run out.
	most int

	// only are the modes that the peer is for; nil means all.
	only []bench.Mode

	// serve listens on a free port of the loopback, has h's stream called for each stream, and returns
	// the address. It serves until the process ends.
	serve func(cfg settings, h *host) (addr string, err error)

	// dial makes a connection.
	dial func(ctx context.Context, addr string, cfg settings) (session, error)
}

// Streams that are left idle, at most: what has goroutines needs 5 to 13 KB a stream in each of two processes;
// http2 looks through all of them for each that is opened; and a process has 20,000 descriptors.
const (
	mostStreams     = 1_000_000 // this engine's: 4 KB in both together
	mostGoroutines  = 100_000
	mostHTTP2       = 20_000
	mostDescriptors = 15_000
)

// transports returns those there are.
func transports() []transport {
	small := []bench.Mode{bench.Echo, bench.Idle, bench.Open}
	return []transport{
		{"streams", true, mostStreams, nil, serveStreams, dialStreams},
		{"yamux", false, mostGoroutines, nil, serveYamux, dialYamux},
		{"go-yamux", false, mostGoroutines, nil, serveGoYamux, dialGoYamux},
		{"smux", false, mostGoroutines, nil, serveSmux, dialSmux},
		{"quic", true, mostGoroutines, nil, serveQUIC, dialQUIC},
		{"grpc", false, mostGoroutines, nil, serveGRPC, dialGRPC},
		{"http2", false, mostHTTP2, nil, serveHTTP2, dialHTTP2},
		{"http1", false, mostDescriptors, []bench.Mode{bench.File}, serveHTTP1, dialHTTP1},
		{"tcp", false, mostDescriptors, nil, serveTCP, dialTCP},
		{"gnet", false, mostDescriptors, small, serveGnet, dialTCP},
	}
}

// connWindow is the receive window of a connection, in bytes, where that is fixed.
const connWindow = 64 << 20

// session is a connection.
type session interface {
	// open opens a stream for a use, which its server learns before anything else.
	open(ctx context.Context, u use) (io.ReadWriteCloser, error)
}

// use is what a stream is for. It is the first byte of streams that have no better place for it.
type use string

// The uses.
const (
	echoes   use = "e" // what comes goes back
	download use = "d"
	upload   use = "p"
	urgent   use = "u" // echoes of the highest priority
	bulk     use = "b" // downloads of the lowest
	idle     use = "i"
	opening  use = "o" // the server sends a byte, and closes
	file     use = "f" // downloads of settings.File
	member   use = "g" // of the group that gets messages
	trigger  use = "t" // each byte has a message sent to the group
)

// readUse reads the first byte of a stream.
func readUse(s io.Reader) (use, error) {
	var b [1]byte
	_, err := io.ReadFull(s, b[:])
	return use(b[:]), err
}

// writeUse is the other end of readUse.
func writeUse(s io.ReadWriteCloser, u use) (io.ReadWriteCloser, error) {
	_, err := io.WriteString(s, string(u))
	return s, err
}

// transportNamed returns one.
func transportNamed(name string) (transport, error) {
	for _, t := range transports() {
		if t.name == name {
			return t, nil
		}
	}
	return transport{}, fmt.Errorf("no peer %q", name)
}
