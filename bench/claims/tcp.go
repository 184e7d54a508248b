package claims

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/engine"
)

// tcpProcess is a server without channels: it echoes what comes on a connection, with a goroutine for each.
const tcpProcess = "claims-tcp-process"

// tcpConfig is how it works.
type tcpConfig struct {
	Fresh bool // a new buffer for each read, as one writes it first
}

const (
	// messageBytes is how long messages are.
	messageBytes = 64

	// readBytes is how much the server without channels reads at once.
	readBytes = 4096

	// dialsAtOnce is how many connections are made at the same time, as bench does.
	dialsAtOnce = 32
)

// Process is bench.Process with the processes of this package.
func Process(args []string) func(in io.Reader, out io.Writer) error {
	if len(args) == 1 && args[0] == tcpProcess {
		return tcpMain
	}
	return bench.Process(args)
}

// tcpMain is tcpProcess.
func tcpMain(in io.Reader, out io.Writer) error {
	var cfg tcpConfig
	return bench.Serve(in, out, &cfg, func() (string, func() engine.Stats, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", nil, err
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go cfg.serve(c)
			}
		}()
		return l.Addr().String(), nil, nil
	})
}

// serve echoes until the client leaves.
func (cfg tcpConfig) serve(c net.Conn) {
	defer c.Close()
	b := make([]byte, readBytes)
	for {
		if cfg.Fresh {
			b = make([]byte, readBytes)
		}
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}

// tcpClients are connections, each of which has had a message echoed.
type tcpClients []net.Conn

// dialTCP makes them.
func dialTCP(ctx context.Context, addr string, n int) (tcpClients, error) {
	all := make(tcpClients, n)
	errs := make(chan error, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(dialsAtOnce, n) {
		wg.Go(func() {
			b := make([]byte, messageBytes)
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
				if err == nil {
					all[i] = c
					err = exchange(c, b)
				}
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		all.close()
		return nil, err
	default:
		return all, nil
	}
}

// close ends the connections.
func (all tcpClients) close() {
	for _, c := range all {
		if c != nil {
			c.Close()
		}
	}
}

// exchange sends b and waits for it to come back.
func exchange(c net.Conn, b []byte) error {
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err := io.ReadFull(c, b)
	return err
}

// echoed is what messages cost the server.
type echoed struct{ calls, mallocs float64 } // per message

// echoTCP has all conversations exchange messages, one at a time on each, and returns what they cost.
func (m *meter) echoTCP(ctx context.Context, cfg tcpConfig) (*echoed, error) {
	s, err := m.p.Start(ctx, tcpProcess, cfg)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	all, err := dialTCP(ctx, s.Addr, m.Conversations)
	if err != nil {
		return nil, err
	}
	var messages atomic.Int64
	var wg sync.WaitGroup
	defer wg.Wait()
	defer all.close() // ends the exchanges
	for _, c := range all {
		wg.Go(func() {
			for b := make([]byte, messageBytes); exchange(c, b) == nil; {
				messages.Add(1)
			}
		})
	}
	var marks [2]bench.Usage
	var counts [2]int64
	for i, d := range []time.Duration{m.Duration / 4, m.Duration} {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(d):
		}
		counts[i] = messages.Load()
		if marks[i], err = s.Usage(); err != nil {
			return nil, err
		}
	}
	n := float64(counts[1] - counts[0])
	if n == 0 {
		return nil, fmt.Errorf("plain TCP: %w", errNothing)
	}
	return &echoed{
		calls:   float64(marks[1].Calls-marks[0].Calls) / n,
		mallocs: float64(marks[1].Mallocs-marks[0].Mallocs) / n,
	}, nil
}
