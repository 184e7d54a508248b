package main

import (
	"context"
	"io"
	"net"

	"github.com/xtaci/smux"
)

// smuxConfig is version 2, which has windows for streams, and frames as long as they
// can be instead of 32 KiB.
func smuxConfig(cfg settings) *smux.Config {
	c := smux.DefaultConfig()
	c.Version = 2
	c.MaxFrameSize = 65535
	c.MaxReceiveBuffer = connWindow
	c.MaxStreamBuffer = cfg.Window
	return c
}

func serveSmux(cfg settings) (string, error) {
	return serveTCPWith(cfg, func(c net.Conn) error {
		s, err := smux.Server(c, smuxConfig(cfg))
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

type smuxSession struct{ *smux.Session }

func dialSmux(ctx context.Context, addr string, cfg settings) (session, error) {
	c, err := dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	s, err := smux.Client(c, smuxConfig(cfg))
	return smuxSession{s}, err
}

func (s smuxSession) open(_ context.Context, u use) (io.ReadWriter, error) {
	stream, err := s.OpenStream()
	if err != nil {
		return nil, err
	}
	return writeUse(stream, u)
}
