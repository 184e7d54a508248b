package main

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/sscd-io/sscd/bench"
)

// openPatience is how long streams may take to carry their first bytes before that is an error.
const openPatience = time.Minute

// driven is a peer of which only the transport is its own.
type driven struct{ transport }

func (d driven) prioritizes() bool { return d.priorities }

// config is what a server's process is told.
type config struct {
	Name     string   `json:"name"`
	Settings settings `json:"settings"`
}

func (d driven) round(ctx context.Context, o *options, load bench.UrgentLoad) (*bench.Result, error) {
	server, err := o.program.Start(ctx, peerProcess, config{d.name, o.settings})
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := d.dial(ctx, server.Addr, o.settings)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	r := &run{o: o.Options, server: server, latency: bench.NewLatencies(), lost: make(chan error, 1)}
	defer r.stop()
	if err := r.open(ctx, s, load); err != nil {
		return nil, err
	}
	return r.measure(ctx)
}

// stopPatience is how long streams may take to stop; what is left then ends with the connection.
const stopPatience = 2 * time.Second

// stop has the streams' goroutines end when they next read something. Those that wait in Read when a yamux session
// ends spin until each has been told, which takes minutes with thousands.
func (r *run) stop() {
	r.stopped.Store(true)
	for began := time.Now(); r.using.Load() > 0 && time.Since(began) < stopPatience; {
		time.Sleep(time.Millisecond)
	}
}

// run is a round under way.
type run struct {
	o        bench.Options
	server   *bench.Server
	latency  *bench.Latencies
	messages atomic.Int64 // that came back
	bytes    atomic.Int64 // of downloads
	opened   atomic.Int64 // streams on which anything came
	using    atomic.Int64 // goroutines that use streams
	stopped  atomic.Bool  // they are to end
	lost     chan error   // the first stream that ended
}

// open opens the streams and waits until something came on each.
func (r *run) open(ctx context.Context, s session, load bench.UrgentLoad) error {
	uses := usesOf(r.o, load)
	for _, u := range uses {
		stream, err := s.open(ctx, u)
		if err != nil {
			return err
		}
		r.using.Add(1)
		go func() {
			defer r.using.Add(-1)
			err := r.use(stream, u)
			select {
			case r.lost <- fmt.Errorf("a stream ended: %w", err):
			default:
			}
		}()
	}
	for began := time.Now(); r.opened.Load() < int64(len(uses)); {
		if time.Since(began) > openPatience {
			return fmt.Errorf("only %d of %d streams carried anything", r.opened.Load(), len(uses))
		}
		if err := r.pass(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// usesOf returns what the streams of a round are for.
func usesOf(o bench.Options, load bench.UrgentLoad) []use {
	first, others := echoes, download
	if load == bench.BesideBulk {
		first, others = urgent, bulk
	}
	n := o.Channels
	switch {
	case o.Mode == bench.Echo:
		others = echoes
	case o.Mode == bench.Download:
		first = download
	case load == bench.Alone:
		n = 1
	default:
		n++
	}
	all := []use{first}
	for range n - 1 {
		all = append(all, others)
	}
	return all
}

// use uses a stream until it ends, and returns why.
func (r *run) use(s io.ReadWriter, u use) error {
	switch {
	case u == download || u == bulk:
		return r.download(s)
	case r.o.Mode == bench.Urgent:
		return r.echo(s, 1)
	}
	return r.echo(s, r.o.Depth)
}

// download reads.
func (r *run) download(s io.Reader) error {
	p := make([]byte, blockBytes)
	for first := true; ; first = false {
		n, err := s.Read(p)
		if err != nil || r.stopped.Load() {
			return err
		}
		r.bytes.Add(int64(n))
		if first {
			r.opened.Add(1)
		}
	}
}

// echo keeps depth messages under way.
func (r *run) echo(s io.ReadWriter, depth int) error {
	message := make([]byte, r.o.Size)
	p := make([]byte, min(depth*r.o.Size, blockBytes))
	sent := make([]time.Time, depth) // ring: when the messages under way were sent
	next, got := 0, 0                // of sent: the oldest; bytes of it that came
	send := func(n int) error {
		for range n {
			sent[next%depth] = time.Now()
			next++
			if _, err := s.Write(message); err != nil {
				return err
			}
		}
		return nil
	}
	if err := send(depth); err != nil {
		return err
	}
	for first := true; ; first = false {
		n, err := s.Read(p)
		if err != nil || r.stopped.Load() {
			return err
		}
		if first {
			r.opened.Add(1)
		}
		got += n
		done := got / r.o.Size
		got %= r.o.Size
		for i, now := 0, time.Now(); i < done; i++ {
			r.latency.Record(now.Sub(sent[(next+i)%depth]))
		}
		r.messages.Add(int64(done))
		if err := send(done); err != nil {
			return err
		}
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
	res := &bench.Result{Options: r.o, Latency: r.latency.Summary()}
	begin.until(end, res)
	return res, nil
}

// mark is the state of all counters at one moment.
type mark struct {
	at              time.Time
	messages, bytes int64
	client, server  time.Duration // CPU
}

func (r *run) mark() (mark, error) {
	s, err := r.server.Usage()
	if err != nil {
		return mark{}, err
	}
	c, err := bench.OwnUsage()
	return mark{time.Now(), r.messages.Load(), r.bytes.Load(), c.CPU, s.CPU}, err
}

// until fills in what happened between two marks.
func (m mark) until(end mark, res *bench.Result) {
	res.Seconds = end.at.Sub(m.at).Seconds()
	res.Messages = end.messages - m.messages
	bytes := float64(end.bytes - m.bytes)
	res.MessagesPerSecond = float64(res.Messages) / res.Seconds
	res.MBPerSecond = bytes / 1e6 / res.Seconds
	client, server := (end.client - m.client).Seconds(), (end.server - m.server).Seconds()
	if res.Messages > 0 {
		res.ClientPerMillion = client / float64(res.Messages) * 1e6
		res.ServerPerMillion = server / float64(res.Messages) * 1e6
	}
	if bytes > 0 {
		res.ClientPerGB, res.ServerPerGB = client/bytes*1e9, server/bytes*1e9
	}
}
