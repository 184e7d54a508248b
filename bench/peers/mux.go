package main

import (
	"context"
	"io"
	"net"
)

// A muxer, as far as this program knows one, is what opens or accepts streams over a connection.
type muxer[S io.ReadWriteCloser] func() (S, error)

// serveMux listens, and serves the streams that the muxer over each connection accepts.
func serveMux[S io.ReadWriteCloser](
	cfg settings, h *host, over func(c net.Conn) (accept muxer[S], err error),
) (string, error) {
	return serveTCPWith(cfg, func(c net.Conn) error {
		accept, err := over(c)
		if err != nil {
			return err
		}
		for {
			s, err := accept()
			if err != nil {
				return err
			}
			go h.serve(s)
		}
	})
}

// open implements session.
func (m muxer[S]) open(_ context.Context, u use) (io.ReadWriteCloser, error) {
	s, err := m()
	if err != nil {
		return nil, err
	}
	return writeUse(s, u)
}

// dialMux makes a connection; over makes a muxer that opens.
func dialMux[S io.ReadWriteCloser](
	ctx context.Context, addr string, over func(c net.Conn) (open muxer[S], err error),
) (session, error) {
	c, err := dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	return over(c)
}
