package main

import (
	"context"
	"fmt"
	"io"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/engine"
)

// sscdConfig has room for all streams to be opened at once. Windows grow by themselves.
func sscdConfig(cfg settings) engine.Config {
	return engine.Config{
		MaxChannels: maxStreams, AcceptBacklog: maxStreams, Socket: engine.SocketConfig{WriteBuffer: cfg.SendBuffer},
	}
}

func serveStreams(cfg settings) (string, error) {
	l, err := engine.Listen("127.0.0.1:0", sscdConfig(cfg))
	if err != nil {
		return "", err
	}
	go func() {
		for {
			s, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			go serveSession(s)
		}
	}()
	return l.Addr().String(), nil
}

func serveSession(s *engine.Session) {
	for {
		stream, err := s.Accept(context.Background())
		if err != nil {
			return
		}
		go func() {
			defer stream.Close()
			serveStream(use(stream.Target()), stream)
		}()
	}
}

type streamSession struct{ *engine.Session }

func dialStreams(ctx context.Context, addr string, _ settings) (session, error) {
	s, err := engine.Dial(ctx, addr, sscdConfig(settings{}))
	return streamSession{s}, err
}

func (s streamSession) open(ctx context.Context, u use) (io.ReadWriter, error) {
	o := engine.OpenOptions{Target: string(u), NoWait: true}
	switch u {
	case urgent:
		o.Priority = new(uint8(7))
	case bulk:
		o.Priority = new(uint8(0))
	}
	return s.Open(ctx, o)
}

// callbacks is the peer that uses callbacks at both ends.
type callbacks struct{}

func (callbacks) prioritizes() bool { return true }

func (callbacks) round(ctx context.Context, o *options, load bench.UrgentLoad) (*bench.Result, error) {
	s, err := o.program.StartServer(ctx, bench.ServerConfig{
		MaxChannels: maxStreams, Socket: engine.SocketConfig{WriteBuffer: o.SendBuffer},
	})
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	at := o.Options
	at.Addr = s.Addr
	switch o.Mode {
	case bench.Urgent:
		return bench.RunUrgent(ctx, at, load, s, func(string, float64, int64) {})
	case bench.Echo, bench.Download:
		return bench.Run(ctx, at, s, nil)
	}
	return nil, fmt.Errorf("no round of mode %s", o.Mode)
}
