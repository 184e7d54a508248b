package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
)

// ServerConfig is how a server of our own works; it goes to its process as JSON.
type ServerConfig struct {
	Backend     engine.Backend
	Loops       int
	MaxChannels int
	MaxWindow   int
	Socket      engine.SocketConfig
}

// Server is a server in a process of its own.
type Server struct {
	Addr string
	process
}

// StartServer starts a server and waits until it serves.
func (p Program) StartServer(ctx context.Context, cfg ServerConfig) (*Server, error) {
	started, err := p.start(ctx, serverProcess, cfg)
	if err != nil {
		return nil, err
	}
	s := &Server{process: *started}
	if s.Addr, err = s.out.ReadString('\n'); err != nil {
		return nil, fmt.Errorf("the server process did not start: %w", errors.Join(err, s.Stop()))
	}
	s.Addr = strings.TrimSpace(s.Addr)
	return s, nil
}

// Usage asks the server what it has used.
func (s *Server) Usage() (u Usage, err error) {
	err = s.ask(&u)
	return u, err
}

// serveMain is the other end of StartServer: it serves on a free port of the loopback until in ends.
func serveMain(in io.Reader, out io.Writer) error {
	var cfg ServerConfig
	lines, err := readConfig(in, &cfg)
	if err != nil {
		return err
	}
	e, err := engine.Start(engine.Config{
		Handler: builtin.New(), Backend: cfg.Backend, Loops: cfg.Loops, MaxChannels: cfg.MaxChannels,
		MaxWindow: cfg.MaxWindow, Socket: cfg.Socket,
	})
	if err != nil {
		return err
	}
	defer e.Close()
	addr, err := e.Listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, addr)
	return answer(lines, out, func() (any, error) {
		u, err := OwnUsage()
		u.Stats = e.Stats()
		return u, err
	})
}
