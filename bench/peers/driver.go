package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sscd-io/sscd/bench"
)

// driven is a peer of which only the transport is its own.
type driven struct{ transport }

func (d driven) lacks(t *task) string {
	switch {
	case d.only != nil && !slices.Contains(d.only, t.Options.Mode):
		return fmt.Sprintf("it is a floor for %v only", d.only)
	case t.Load == bench.BesideBulk && !d.priorities:
		return "its streams have no priorities"
	}
	return ""
}

// config is what a server's process is told.
type config struct {
	Name     string   `json:"name"`
	Settings settings `json:"settings"`
}

func (d driven) round(ctx context.Context, t *task, p bench.Program) (*bench.Result, error) {
	server, err := p.Start(ctx, peerProcess, config{d.name, t.Settings})
	if err != nil {
		return nil, err
	}
	r := newRun(t, server)
	before, err := server.Usage()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := r.connect(ctx, d.transport); err != nil {
		return nil, err
	}
	if r.o.Mode == bench.Open {
		r.reopen(ctx)
		return r.measure(ctx)
	}
	streams, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	if r.o.Mode == bench.Idle {
		return r.leave(ctx, before, time.Since(began))
	}
	if err := r.start(streams); err != nil {
		return nil, err
	}
	return r.measure(ctx)
}

// run is a round under way.
type run struct {
	*task
	o        bench.Options
	server   *bench.Server
	sessions []session
	latency  *bench.Latencies
	messages atomic.Int64 // that came back
	bytes    atomic.Int64 // of downloads and uploads
	goal     atomic.Int64 // of bytes: when the group has the message under way
	trigger  io.Writer
	lost     chan error // the first stream that ended
}

func newRun(t *task, server *bench.Server) *run {
	return &run{task: t, o: t.Options, server: server, latency: bench.NewLatencies(), lost: make(chan error, 1)}
}

// openers is how many connections are made, or streams opened, at the same time.
const openers = 16

// connect makes the connections.
func (r *run) connect(ctx context.Context, t transport) error {
	r.sessions = make([]session, r.o.Conns)
	return each(r.o.Conns, func(i int) (err error) {
		r.sessions[i], err = t.dial(ctx, r.server.Addr, r.Settings)
		return err
	})
}

// each calls f with 0 to n-1.
func each(n int, f func(i int) error) error {
	var g errgroup.Group
	var next atomic.Int64
	for range min(openers, n) {
		g.Go(func() error {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := f(i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// acceptPoll is how often the server is asked whether all streams have come.
const acceptPoll = 5 * time.Millisecond

// open opens the streams and waits until the server has them all. Nothing is sent on any before: each further one
// would wait for the messages of those before it.
func (r *run) open(ctx context.Context) ([]io.ReadWriteCloser, error) {
	uses := r.uses()
	streams := make([]io.ReadWriteCloser, len(uses))
	err := each(len(uses), func(i int) (err error) {
		streams[i], err = r.sessions[i%len(r.sessions)].open(ctx, uses[i])
		return err
	})
	for err == nil {
		var u bench.Usage
		if u, err = r.server.Usage(); err != nil || u.Stats.ChannelsAccepted >= uint64(len(uses)) {
			break
		}
		if err = r.pass(ctx, acceptPoll); errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("only %d of %d streams reached the server in time", u.Stats.ChannelsAccepted, len(uses))
		}
	}
	return streams, err
}

// uses returns what the streams of a round are for, those of the connections in turn.
func (r *run) uses() []use {
	first, others := echoes, echoes
	switch r.o.Mode {
	case bench.Download:
		first, others = download, download
	case bench.Upload:
		first, others = upload, upload
	case bench.File:
		first, others = file, file
	case bench.Idle:
		first, others = idle, idle
	case bench.Fanout:
		first, others = trigger, member
	case bench.Urgent:
		if others = download; r.Load == bench.BesideBulk {
			first, others = urgent, bulk
		}
	}
	n := r.o.Conns * r.o.Channels
	switch {
	case r.Load == bench.Alone:
		n = 1
	case first != others:
		n++
	}
	all := slices.Repeat([]use{others}, n)
	all[0] = first
	return all
}

// start uses the streams, each in a goroutine.
func (r *run) start(streams []io.ReadWriteCloser) error {
	r.goal.Store(int64(len(streams)-1) * int64(r.o.Size))
	for i, u := range r.uses() {
		if u == trigger {
			r.trigger = streams[i]
			continue
		}
		go func() { r.lose(r.use(streams[i], u)) }()
	}
	if r.trigger != nil {
		_, err := r.trigger.Write([]byte{0})
		return err
	}
	return nil
}

// lose ends the round.
func (r *run) lose(err error) {
	select {
	case r.lost <- fmt.Errorf("a stream ended: %w", err):
	default:
	}
}

// pass lets time pass.
func (r *run) pass(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-r.lost:
		return err
	case <-time.After(d):
		return nil
	}
}

// leave leaves the streams alone, and returns what they cost.
func (r *run) leave(ctx context.Context, before bench.Usage, opening time.Duration) (*bench.Result, error) {
	if err := r.pass(ctx, r.o.Settle); err != nil {
		return nil, err
	}
	after, err := r.server.Usage()
	return &bench.Result{Options: r.o, Idle: &bench.IdleCost{
		Conns: r.o.Conns, Channels: r.o.Conns * r.o.Channels, Before: before.RSS, After: after.RSS, Opening: opening,
	}}, err
}

// measure warms up and returns what happens from then on.
func (r *run) measure(ctx context.Context) (*bench.Result, error) {
	if err := r.pass(ctx, r.o.Warmup); err != nil {
		return nil, err
	}
	begin, err := r.mark()
	if err != nil {
		return nil, err
	}
	r.latency.Reset()
	if err := r.pass(ctx, r.o.Duration); err != nil {
		return nil, err
	}
	end, err := r.mark()
	if err != nil {
		return nil, err
	}
	if begin.messages == end.messages && begin.bytes == end.bytes {
		return nil, fmt.Errorf("nothing came in %v: a longer --duration may tell more", r.o.Duration)
	}
	res := &bench.Result{Options: r.o, Latency: r.latency.Summary()}
	begin.until(end, res)
	return res, nil
}
