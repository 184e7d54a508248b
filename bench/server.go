package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
)

// ServerConfig is how a server of our own works; it goes to its process as JSON.
type ServerConfig struct {
	Backend     engine.Backend
	Loops       int
	MaxChannels int
	Socket      engine.SocketConfig
	Addrs       []string // to listen on; empty means a free port of the loopback
	Streams     bool     // echo with blocking calls, a goroutine for each channel, instead of all else
	CPUProfile  string   // file for a profile of the whole process; empty means none
	File        string   // a file to be served as well, with the target fileTarget; empty means none
	Group       int      // bytes of the messages for a group of channels to be served instead; 0 means none

	// As in engine.Config.
	Profile            engine.Profile
	MaxConns           int
	Memory, ConnMemory int64
	MaxWindow          int
	ConnWindow         int
	SendQueue          int
	FrameSize          int
	Compression        bool
	StrictPriority     bool
	Idle               time.Duration
}

// Limit takes the limits, and what of the protocol is spoken, from c.
func (s *ServerConfig) Limit(c *engine.Config) {
	s.Profile, s.MaxConns, s.Memory, s.ConnMemory = c.Profile, c.MaxConns, c.Memory, c.ConnMemory
	s.MaxWindow, s.Compression, s.Idle = c.MaxWindow, c.Compression, c.Timeouts.Idle
	s.StrictPriority, s.ConnWindow, s.FrameSize = c.StrictPriority, c.ConnWindow, c.FrameSize
}

// engine is the Config of the server's engine.
func (s *ServerConfig) engine() engine.Config {
	return engine.Config{
		Handler: s.handler(), Backend: s.Backend, Loops: s.Loops, MaxChannels: s.MaxChannels, Socket: s.Socket,
		Profile: s.Profile, MaxConns: s.MaxConns, Memory: s.Memory, ConnMemory: s.ConnMemory,
		MaxWindow: s.MaxWindow, ConnWindow: s.ConnWindow, SendQueue: s.SendQueue, FrameSize: s.FrameSize,
		Compression: s.Compression, StrictPriority: s.StrictPriority,
		Timeouts: engine.Timeouts{Idle: s.Idle},
	}
}

// Check returns what is wrong with the configuration.
func (s *ServerConfig) Check() error { return checkEngine(s.engine()) }

// checkEngine returns what is wrong with a Config, whose Handler does not count.
func checkEngine(c engine.Config) error {
	c.Handler = builtin.New()
	e, err := engine.Start(c) // which does nothing yet
	if err != nil {
		return err
	}
	return e.Close()
}

// handler is what the server serves.
func (s *ServerConfig) handler() engine.Handler {
	switch {
	case s.Group > 0:
		return newGroup(s.Group)
	case s.File != "":
		return &fileServer{builtin.New(), s.File}
	}
	return builtin.New()
}

// Server is a server in a process of its own.
type Server struct {
	Addr string
	process
}

// StartServer starts a server and waits until it serves.
func (p Program) StartServer(ctx context.Context, cfg ServerConfig) (*Server, error) {
	return p.Start(ctx, serverProcess, cfg)
}

// Start starts the program as a server of another kind: it is run with the kind as its only argument, must call
// Serve then, and is told cfg.
func (p Program) Start(ctx context.Context, kind string, cfg any) (*Server, error) {
	return p.startServer(ctx, kind, cfg, (*exec.Cmd).Start)
}

// startServer is Start, as begin does it.
func (p Program) startServer(
	ctx context.Context, kind string, cfg any, begin func(*exec.Cmd) error,
) (*Server, error) {
	started, err := p.start(ctx, kind, cfg, begin)
	if err != nil {
		return nil, err
	}
	s := &Server{process: *started}
	if s.Addr, err = s.out.ReadString('\n'); err != nil {
		return nil, fmt.Errorf("the server process did not start: %w", errors.Join(err, s.Stop()))
	}
	s.Addr = strings.TrimSpace(s.Addr)
	if why, failed := strings.CutPrefix(s.Addr, startFailed); failed {
		return nil, errors.Join(fmt.Errorf("the server process did not start: %s", why), s.Stop())
	}
	return s, nil
}

// PID is the number of the server's process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Usage asks the server what it has used.
func (s *Server) Usage() (u Usage, err error) {
	err = s.ask(askUsage, &u)
	return u, err
}

// Collected is Usage after a collection of garbage, whose memory has been given back to the system.
func (s *Server) Collected() (u Usage, err error) {
	err = s.ask(askCollect, &u)
	return u, err
}

// serveMain is the other end of StartServer: it serves on a free port of the loopback until in ends.
func serveMain(in io.Reader, out io.Writer) error {
	var cfg ServerConfig
	defer pprof.StopCPUProfile()
	return Serve(in, out, &cfg, func() (string, func() engine.Stats, error) {
		if err := cfg.profile(); err != nil {
			return "", nil, err
		}
		addrs := cfg.Addrs
		if len(addrs) == 0 {
			addrs = []string{"127.0.0.1:0"}
		}
		c := cfg.engine()
		if cfg.Streams {
			return serveStreams(c, addrs[0])
		}
		e, err := engine.Start(c)
		if err != nil {
			return "", nil, err
		}
		if g, ok := c.Handler.(*group); ok {
			go g.cast(e)
		}
		first := ""
		for _, a := range addrs {
			addr, err := e.Listen(a)
			if err != nil {
				return "", nil, err
			}
			first = cmp.Or(first, addr.String())
		}
		return first, e.Stats, nil
	})
}

// profile begins the profile, if there is to be one; its file ends with the process.
func (s *ServerConfig) profile() error {
	if s.CPUProfile == "" {
		return nil
	}
	f, err := os.Create(s.CPUProfile)
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(f)
}

// startFailed is what a server process says in place of its address, with the reason behind it.
const startFailed = "failed: "

// Serve is the other end of Start: it reads cfg, calls start, which returns the address at which it serves, and
// tells what this process has used until in ends. What start returns besides, if not nil, is asked for Stats.
func Serve(in io.Reader, out io.Writer, cfg any, start func() (string, func() engine.Stats, error)) error {
	lines, err := readConfig(in, cfg)
	if err != nil {
		return err
	}
	addr, stats, err := start()
	if err != nil {
		_, err = fmt.Fprintln(out, startFailed+strings.ReplaceAll(err.Error(), "\n", "; "))
		return err
	}
	fmt.Fprintln(out, addr)
	return answer(lines, out, func(what string) (any, error) {
		if what == askCollect {
			debug.FreeOSMemory()
		}
		u, err := OwnUsage()
		if stats != nil {
			u.Stats = stats()
		}
		return u, err
	})
}
