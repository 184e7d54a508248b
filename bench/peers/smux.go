package main

import (
	"context"
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

func serveSmux(cfg settings, h *host) (string, error) {
	return serveMux(cfg, h, func(c net.Conn) (muxer[*smux.Stream], error) {
		s, err := smux.Server(c, smuxConfig(cfg))
		return s.AcceptStream, err
	})
}

func dialSmux(ctx context.Context, addr string, cfg settings) (session, error) {
	return dialMux(ctx, addr, func(c net.Conn) (muxer[*smux.Stream], error) {
		s, err := smux.Client(c, smuxConfig(cfg))
		return s.OpenStream, err
	})
}
