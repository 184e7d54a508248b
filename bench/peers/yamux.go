package main

import (
	"context"
	"io"
	"log"
	"net"

	"github.com/hashicorp/yamux"
)

// yamuxConfig has room for all streams to be opened at once.
func yamuxConfig(cfg settings) *yamux.Config {
	c := yamux.DefaultConfig()
	c.MaxStreamWindowSize = uint32(cfg.Window)
	c.AcceptBacklog = maxStreams
	c.LogOutput, c.Logger = nil, log.New(io.Discard, "", 0)
	return c
}

func serveYamux(cfg settings) (string, error) {
	return serveTCPWith(cfg, func(c net.Conn) error {
		s, err := yamux.Server(c, yamuxConfig(cfg))
		if err != nil {
			return err
		}
		for {
			stream, err := s.AcceptStream()
			if err != nil {
				return err
			}
			go serveUse(stream)
		}
	})
}

type yamuxSession struct{ *yamux.Session }

func dialYamux(ctx context.Context, addr string, cfg settings) (session, error) {
	c, err := dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	s, err := yamux.Client(c, yamuxConfig(cfg))
	return yamuxSession{s}, err
}

func (s yamuxSession) open(_ context.Context, u use) (io.ReadWriter, error) {
	stream, err := s.OpenStream()
	if err != nil {
		return nil, err
	}
	return writeUse(stream, u)
}
