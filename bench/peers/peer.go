package main

import (
	"context"
	"io"

	"github.com/sscd-io/sscd/bench"
)

// peer is one of the things compared.
type peer interface {
	// round makes one measurement, in one of the modes Echo, Download and Urgent; load is for the last.
	round(ctx context.Context, o *options, load bench.UrgentLoad) (*bench.Result, error)
	// prioritizes tells whether streams have priorities.
	prioritizes() bool
}

// named is a peer with its name.
type named struct {
	name string
	peer
}

// peers returns all, in the order of the tables.
func peers() []named {
	all := []named{{"sscd", callbacks{}}}
	for _, t := range transports() {
		all = append(all, named{t.name, driven{t}})
	}
	return all
}

// settings are what is set alike for all that have it.
type settings struct {
	Window     int `json:"window"`      // receive window of a stream, in bytes, where that is fixed
	SendBuffer int `json:"send_buffer"` // SO_SNDBUF of servers; 0 means the system's default
}

// transport is a peer as far as the code is its own.
type transport struct {
	name       string
	priorities bool

	// serve listens on a free port of the loopback, has serveStream called for each stream, and returns
	// the address. It serves until the process ends.
	serve func(cfg settings) (addr string, err error)

	// dial makes the connection.
	dial func(ctx context.Context, addr string, cfg settings) (session, error)
}

// transports returns those there are.
func transports() []transport {
	return []transport{
		{"streams", true, serveStreams, dialStreams},
		{"yamux", false, serveYamux, dialYamux},
		{"smux", false, serveSmux, dialSmux},
		{"quic", true, serveQUIC, dialQUIC},
		{"grpc", false, serveGRPC, dialGRPC},
		{"http2", false, serveHTTP2, dialHTTP2},
		{"tcp", false, serveTCP, dialTCP},
	}
}

// Of connections, in bytes, and how many streams one can have.
const (
	connWindow = 64 << 20
	maxStreams = 1 << 17
)

// session is a connection.
type session interface {
	// open opens a stream for a use, which its server learns before anything else.
	open(ctx context.Context, u use) (io.ReadWriter, error)
	io.Closer
}

// use is what a stream is for. It is the first byte of streams that have no better place for it.
type use string

// The uses: messages that come back, and what downloads.
const (
	echoes   use = "e"
	download use = "d"
	urgent   use = "u" // echoes of the highest priority
	bulk     use = "b" // downloads of the lowest
)

// serveStream does what a stream is for until it ends.
func serveStream(u use, s io.ReadWriter) {
	p := make([]byte, blockBytes)
	if u == download || u == bulk {
		for {
			if _, err := s.Write(p); err != nil {
				return
			}
		}
	}
	for {
		n, err := s.Read(p)
		if err != nil {
			return
		}
		if _, err := s.Write(p[:n]); err != nil {
			return
		}
	}
}

// blockBytes is how much a download writes at once, and what reads have room for.
const blockBytes = 64 << 10

// readUse reads the first byte of a stream.
func readUse(s io.Reader) (use, error) {
	var b [1]byte
	_, err := io.ReadFull(s, b[:])
	return use(b[:]), err
}

// serveUse is serveStream for streams whose use is their first byte.
func serveUse(s io.ReadWriteCloser) {
	defer s.Close()
	if u, err := readUse(s); err == nil {
		serveStream(u, s)
	}
}

// writeUse is the other end of serveUse.
func writeUse(s io.ReadWriter, u use) (io.ReadWriter, error) {
	_, err := io.WriteString(s, string(u))
	return s, err
}
