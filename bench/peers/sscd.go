package main

import (
	"context"
	"io"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/engine"
)

// sscdConfig has room for all streams to be opened at once. Windows are what others have at their start, and grow.
func sscdConfig(cfg settings) engine.Config {
	return engine.Config{
		MaxChannels: cfg.Streams, AcceptBacklog: cfg.Streams, Window: cfg.Window,
		Socket: engine.SocketConfig{WriteBuffer: cfg.SendBuffer},
	}
}

func serveStreams(cfg settings, h *host) (string, error) {
	ours := sscdConfig(cfg)
	ours.Backend = engine.Backend(cfg.Backend)
	l, err := engine.Listen("127.0.0.1:0", ours)
	if err != nil {
		return "", err
	}
	go func() {
		for {
			s, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			go serveSession(s, h)
		}
	}()
	return l.Addr().String(), nil
}

func serveSession(s *engine.Session, h *host) {
	for {
		stream, err := s.Accept(context.Background())
		if err != nil {
			return
		}
		go func() {
			defer stream.Close()
			h.stream(use(stream.Target()), stream)
		}()
	}
}

type streamSession struct{ *engine.Session }

func dialStreams(ctx context.Context, addr string, cfg settings) (session, error) {
	cfg.SendBuffer = 0
	s, err := engine.Dial(ctx, addr, sscdConfig(cfg))
	return streamSession{s}, err
}

func (s streamSession) open(ctx context.Context, u use) (io.ReadWriteCloser, error) {
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

// epollFrom is how many connections the client's side rather serves with epoll.
const epollFrom = 64

func (callbacks) lacks(t *task) string {
	if t.Coalesce {
		return "the engine gathers messages itself: see the row without"
	}
	return ""
}

func (callbacks) round(ctx context.Context, t *task, p bench.Program) (*bench.Result, error) {
	o := t.Options
	cfg := bench.ServerConfig{
		Backend:     engine.Backend(t.Settings.Backend),
		MaxChannels: t.Settings.Streams, Socket: engine.SocketConfig{WriteBuffer: t.Settings.SendBuffer},
	}
	switch o.Mode {
	case bench.File:
		cfg = bench.FileServer(cfg, t.Settings.File)
	case bench.Fanout:
		cfg.Group = o.Size
	}
	s, err := p.StartServer(ctx, cfg)
	if err != nil {
		return nil, err
	}
	o.Addr, o.Client.Window = s.Addr, t.Settings.Window
	if o.Mode == bench.Upload {
		o.Size = blockBytes
	}
	if o.Conns > epollFrom {
		o.Client.Backend = engine.Epoll
	}
	progress := func(string, float64, int64) {}
	switch o.Mode {
	case bench.Urgent:
		return bench.RunUrgent(ctx, o, t.Load, s, progress)
	case bench.File:
		return bench.RunFile(ctx, o, s, progress)
	case bench.Fanout:
		return bench.RunFanout(ctx, o, s, progress)
	}
	return bench.Run(ctx, o, s, progress)
}
