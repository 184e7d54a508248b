package main

import (
	"context"
	"io"
	"net"
)

// listener is a TCP listener whose connections have the settings.
type listener struct {
	net.Listener
	cfg settings
}

func listen(cfg settings) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	return listener{l, cfg}, err
}

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil && l.cfg.SendBuffer > 0 {
		err = c.(*net.TCPConn).SetWriteBuffer(l.cfg.SendBuffer)
	}
	return c, err
}

// serveTCPWith listens and has serve called for each connection.
func serveTCPWith(cfg settings, serve func(c net.Conn) error) (string, error) {
	l, err := listen(cfg)
	if err != nil {
		return "", err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c) // until the client leaves, which is an error or not as the peer sees it
			}()
		}
	}()
	return l.Addr().String(), nil
}

// dial makes a TCP connection.
func dial(ctx context.Context, addr string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", addr)
}

func serveTCP(cfg settings, h *host) (string, error) {
	return serveTCPWith(cfg, func(c net.Conn) error {
		h.serve(c)
		return nil
	})
}

// tcpSession makes a connection for each stream.
type tcpSession string

func dialTCP(_ context.Context, addr string, _ settings) (session, error) {
	return tcpSession(addr), nil
}

func (s tcpSession) open(ctx context.Context, u use) (io.ReadWriteCloser, error) {
	c, err := dial(ctx, string(s))
	if err != nil {
		return nil, err
	}
	if u == opening { // or its port is not free again for a minute
		if err := c.(*net.TCPConn).SetLinger(0); err != nil {
			return nil, err
		}
	}
	return writeUse(c, u)
}
