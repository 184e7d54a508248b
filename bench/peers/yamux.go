package main

import (
	"context"
	"io"
	"log"
	"net"

	"github.com/hashicorp/yamux"
	goyamux "github.com/libp2p/go-yamux/v5"
)

// yamuxConfig has room for all streams to be opened at once.
func yamuxConfig(cfg settings) *yamux.Config {
	c := yamux.DefaultConfig()
	c.MaxStreamWindowSize = uint32(cfg.Window)
	c.AcceptBacklog = cfg.Streams
	c.LogOutput, c.Logger = nil, log.New(io.Discard, "", 0)
	return c
}

func serveYamux(cfg settings, h *host) (string, error) {
	return serveMux(cfg, h, func(c net.Conn) (muxer[*yamux.Stream], error) {
		s, err := yamux.Server(c, yamuxConfig(cfg))
		return s.AcceptStream, err
	})
}

func dialYamux(ctx context.Context, addr string, cfg settings) (session, error) {
	return dialMux(ctx, addr, func(c net.Conn) (muxer[*yamux.Stream], error) {
		s, err := yamux.Client(c, yamuxConfig(cfg))
		return s.OpenStream, err
	})
}

// goYamuxConfig is the same for the fork, with windows that are large from the start and reads of 64 KiB instead of 4.
func goYamuxConfig(cfg settings) *goyamux.Config {
	c := goyamux.DefaultConfig()
	c.InitialStreamWindowSize, c.MaxStreamWindowSize = uint32(cfg.Window), uint32(cfg.Window)
	c.AcceptBacklog, c.MaxIncomingStreams = cfg.Streams, uint32(cfg.Streams)
	c.ReadBufSize = blockBytes
	c.LogOutput = io.Discard
	return c
}

func serveGoYamux(cfg settings, h *host) (string, error) {
	return serveMux(cfg, h, func(c net.Conn) (muxer[*goyamux.Stream], error) {
		s, err := goyamux.Server(c, goYamuxConfig(cfg), nil)
		return s.AcceptStream, err
	})
}

func dialGoYamux(ctx context.Context, addr string, cfg settings) (session, error) {
	return dialMux(ctx, addr, func(c net.Conn) (muxer[*goyamux.Stream], error) {
		s, err := goyamux.Client(c, goYamuxConfig(cfg), nil)
		return func() (*goyamux.Stream, error) { return s.OpenStream(ctx) }, err
	})
}
