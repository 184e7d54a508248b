package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
)

// Usage is what a process has used.
type Usage struct {
	CPU   time.Duration `json:"cpu_ns"`
	RSS   int64         `json:"rss_bytes"` // resident now
	Stats engine.Stats  `json:"stats"`     // of its engine
}

// ServerConfig is how a server of our own works; it goes to its process as JSON.
type ServerConfig struct {
	Backend     engine.Backend
	Loops       int
	MaxChannels int
	Socket      engine.SocketConfig
}

// Server is a server in a process of its own.
type Server struct {
	Addr string

	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// StartServer runs command, which must end up in ServeProcess, and waits until it serves.
func StartServer(ctx context.Context, cfg ServerConfig, command string, args ...string) (*Server, error) {
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &Server{cmd: cmd, in: in, out: bufio.NewReader(out)}
	err = json.NewEncoder(in).Encode(cfg)
	if err == nil {
		s.Addr, err = s.out.ReadString('\n')
	}
	if err != nil {
		return nil, fmt.Errorf("the server process did not start: %w", errors.Join(err, s.Stop()))
	}
	s.Addr = strings.TrimSpace(s.Addr)
	return s, nil
}

// Usage asks the server what it has used.
func (s *Server) Usage() (Usage, error) {
	var u Usage
	if _, err := io.WriteString(s.in, "usage\n"); err != nil {
		return u, fmt.Errorf("asking the server process: %w", err)
	}
	line, err := s.out.ReadBytes('\n')
	if err != nil {
		return u, fmt.Errorf("the server process does not answer: %w", err)
	}
	return u, json.Unmarshal(line, &u)
}

// Stop ends the server and waits for that.
func (s *Server) Stop() error {
	s.in.Close()
	return s.cmd.Wait()
}

// ServeProcess is the other end of StartServer: it serves on a free port of the loopback until in ends.
func ServeProcess(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return err
	}
	var cfg ServerConfig
	if err := json.Unmarshal(line, &cfg); err != nil {
		return err
	}
	e, err := engine.Start(engine.Config{
		Handler: builtin.New(), Backend: cfg.Backend, Loops: cfg.Loops, MaxChannels: cfg.MaxChannels,
		Socket: cfg.Socket,
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
	for {
		if _, err := lines.ReadBytes('\n'); err != nil {
			return nil
		}
		u, err := OwnUsage()
		if err != nil {
			return err
		}
		u.Stats = e.Stats()
		if err := json.NewEncoder(out).Encode(u); err != nil {
			return err
		}
	}
}

// OwnUsage is what this process has used, without Stats.
func OwnUsage() (Usage, error) {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return Usage{}, err
	}
	rss, err := residentBytes()
	return Usage{CPU: time.Duration(ru.Utime.Nano() + ru.Stime.Nano()), RSS: rss}, err
}

// residentBytes is this process's resident memory.
func residentBytes() (int64, error) {
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(raw))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/self/statm holds %q", raw)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
