package bench

import (
	"context"

	"github.com/sscd-io/sscd/engine"
)

// streamRead is how much an echo of serveStreams reads at once, in bytes: each has a buffer of it, idle or not.
const streamRead = 256

// mostBacklog is the largest engine.Config.AcceptBacklog.
const mostBacklog = 1 << 20

// serveStreams echoes with blocking calls.
func serveStreams(c engine.Config, addr string) (string, func() engine.Stats, error) {
	c.Handler, c.AcceptBacklog = nil, min(c.MaxChannels, mostBacklog)
	l, err := engine.Listen(addr, c)
	if err != nil {
		return "", nil, err
	}
	go func() {
		for {
			s, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			go echoSession(s)
		}
	}()
	return l.Addr().String(), l.Stats, nil
}

func echoSession(s *engine.Session) {
	for {
		stream, err := s.Accept(context.Background())
		if err != nil {
			return
		}
		go echoStream(stream)
	}
}

func echoStream(s *engine.Stream) {
	defer s.Close()
	p := make([]byte, streamRead)
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
