package claims

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/engine"
)

// setupOurs is how many conversations begin in a second: the connection is made, and each channel has had a message
// echoed.
func setupOurs(ctx context.Context, m *meter) (float64, error) {
	s, err := m.startOurs(ctx, bench.ServerConfig{})
	if err != nil {
		return 0, err
	}
	defer s.Stop()
	began := time.Now()
	end, err := openOurs(ctx, s.Addr, m.Conversations)
	if err != nil {
		return 0, err
	}
	defer end()
	return float64(m.Conversations) / time.Since(began).Seconds(), nil
}

func setupTCP(ctx context.Context, m *meter) (float64, error) {
	s, err := m.p.Start(ctx, tcpProcess, tcpConfig{})
	if err != nil {
		return 0, err
	}
	defer s.Stop()
	began := time.Now()
	all, err := dialTCP(ctx, s.Addr, m.Conversations)
	if err != nil {
		return 0, err
	}
	defer all.close()
	return float64(m.Conversations) / time.Since(began).Seconds(), nil
}

// filesOurs is how many descriptors conversations cost the server.
func filesOurs(ctx context.Context, m *meter) (float64, error) {
	s, err := m.startOurs(ctx, bench.ServerConfig{})
	if err != nil {
		return 0, err
	}
	defer s.Stop()
	return files(s, func() (func(), error) { return openOurs(ctx, s.Addr, m.Conversations) })
}

func filesTCP(ctx context.Context, m *meter) (float64, error) {
	s, err := m.p.Start(ctx, tcpProcess, tcpConfig{})
	if err != nil {
		return 0, err
	}
	defer s.Stop()
	return files(s, func() (func(), error) {
		all, err := dialTCP(ctx, s.Addr, m.Conversations)
		return all.close, err
	})
}

// files is how many more descriptors a server has once conversations have begun.
func files(s *bench.Server, begin func() (end func(), err error)) (float64, error) {
	dir := fmt.Sprintf("/proc/%d/fd", s.PID())
	before, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	end, err := begin()
	if err != nil {
		return 0, err
	}
	defer end()
	after, err := os.ReadDir(dir)
	return float64(len(after) - len(before)), err
}

// callsOurs is how many system calls of the server read or write for a message.
func callsOurs(ctx context.Context, m *meter) (float64, error) {
	r, err := m.echoOurs(ctx, bench.ServerConfig{}, nil)
	if err != nil {
		return 0, err
	}
	return r.Served.Calls, nil
}

func callsTCP(ctx context.Context, m *meter) (float64, error) {
	r, err := m.echoTCP(ctx, tcpConfig{})
	if err != nil {
		return 0, err
	}
	return r.calls, nil
}

// mallocsOurs is how many objects the server allocates for a message.
func mallocsOurs(ctx context.Context, m *meter) (float64, error) {
	r, err := m.echoOurs(ctx, bench.ServerConfig{}, nil)
	if err != nil {
		return 0, err
	}
	return r.Served.Allocs, nil
}

func mallocsTCP(ctx context.Context, m *meter) (float64, error) {
	r, err := m.echoTCP(ctx, tcpConfig{Fresh: true})
	if err != nil {
		return 0, err
	}
	return r.mallocs, nil
}

// latency compares the round trips of short messages beside downloads, one at a time, with sockets as we tune them and
// as the kernel makes them. Alone there is nothing to tell apart: each message finds the connection idle.
func latency(ctx context.Context, m *meter, c *Claim) error {
	var medians [2][]float64
	at := func(i int, sock engine.SocketConfig) side {
		return func(ctx context.Context, m *meter) (float64, error) {
			s, err := m.startOurs(ctx, bench.ServerConfig{Socket: sock})
			if err != nil {
				return 0, err
			}
			defer s.Stop()
			o := bench.Defaults(bench.Urgent)
			o.Addr, o.Size, o.Client.Socket = s.Addr, messageBytes, sock
			o.Duration, o.Warmup = m.Duration, m.Duration/4
			r, err := bench.RunUrgent(ctx, o, bench.BesideEqual, s, m.stage)
			if err == nil && r.Latency == nil {
				err = errNothing
			}
			if err != nil {
				return 0, err
			}
			medians[i] = append(medians[i], r.Latency.P50.Seconds()*1e6)
			return r.Latency.P99.Seconds() * 1e6, nil
		}
	}
	untuned := engine.SocketConfig{Nagle: true, NotSentLowat: 1 << 30}
	ours, other, err := m.inTurn(ctx, c.Name, at(0, engine.SocketConfig{}), at(1, untuned))
	if err != nil {
		return err
	}
	c.compare(ours, other, false)
	a, b := bench.SpreadOf(medians[0]), bench.SpreadOf(medians[1])
	c.Note = fmt.Sprintf("a short message beside %d downloads; p50 %s beside %s",
		bench.Defaults(bench.Urgent).Channels, text(a), text(b))
	return nil
}

// zeroCopy is bench's mode file.
func zeroCopy(ctx context.Context, m *meter, c *Claim) error {
	o := bench.Defaults(bench.File)
	o.Duration, o.Warmup, o.FileBytes = m.Duration, m.Duration/4, m.FileBytes
	r, err := bench.Compare(ctx, o, bench.ServerConfig{Backend: engine.Epoll}, m.p, m.stage)
	if err != nil {
		return err
	}
	f := r.(*bench.FileResult)
	for _, row := range f.Rows {
		switch row.Way {
		case bench.BySendfile:
			c.Ours = row.MBps
		case bench.ByRead:
			c.Other = row.MBps
		}
	}
	for _, ratio := range f.Ratios {
		if ratio.By == bench.ByRead {
			c.Ratio = ratio.PerSec
			c.Note = "by server CPU " + text(ratio.PerCPU) + " times; sscd-bench --mode file"
		}
	}
	return nil
}

// uringBackend is the backend that the claim is about, if this build has it.
const uringBackend engine.Backend = "io_uring"

// uring compares what a message costs the server, with one channel on each of as many connections as there are
// conversations, by backend.
func uring(ctx context.Context, m *meter, c *Claim) error {
	if !slices.Contains(engine.Backends(), uringBackend) {
		c.Verdict, c.Note = NotAvailable, fmt.Sprintf("this build serves with %v", engine.Backends())
		return nil
	}
	cost := func(b engine.Backend) side {
		return func(ctx context.Context, m *meter) (float64, error) {
			r, err := m.echoOurs(ctx, bench.ServerConfig{Backend: b}, func(o *bench.Options) {
				o.Conns, o.Channels, o.Client.Backend = m.Conversations, 1, engine.Epoll
			})
			if err != nil {
				return 0, err
			}
			return r.ServerPerMillion, nil // seconds for a million: microseconds for one
		}
	}
	ours, other, err := m.inTurn(ctx, c.Name, cost(uringBackend), cost(engine.Epoll))
	if err != nil {
		return err
	}
	c.compare(ours, other, false)
	return nil
}
