package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sscd-io/sscd/engine"
)

// Progress is told about a run, some times a second: what is done, how much of the duration is over (1:
// all), and how many messages, or opens, were counted so far.
type Progress func(stage string, part float64, count int64)

// dialsAtOnce is how many connections are made at the same time.
const dialsAtOnce = 32

// acceptPoll is how often it is looked whether all channels have been accepted.
const acceptPoll = 5 * time.Millisecond

// settleTime is how long an idle server is left alone before its memory is read, unless Options say.
const settleTime = 2 * time.Second

// workload is a mode: the Handler of this side, and what it counts.
type workload interface {
	engine.Handler
	engine.ConnHandler
	// start begins the work of a connection, all of whose channels are open.
	start(c *engine.Conn)
	// stop ends the sending.
	stop()
}

// run is a run under way.
type run struct {
	o        Options
	engine   *engine.Engine
	latency  *Latencies
	messages atomic.Int64  // or opens
	bytes    atomic.Int64  // of payload
	opened   atomic.Int64  // channels accepted by the server
	stopped  atomic.Bool   // nothing more is to be sent
	lost     chan error    // the first connection or channel that ended unasked
	ready    chan struct{} // closed when all channels are open
}

func newRun(o Options) *run {
	return &run{o: o, latency: NewLatencies(), lost: make(chan error, 1), ready: make(chan struct{})}
}

// Run makes a measurement of one of Modes. server is asked for its usage at both ends of what is measured; it may be
// nil. A connection or channel that ends ends the run with an error.
func Run(ctx context.Context, o Options, server *Server, progress Progress) (*Result, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	r := newRun(o)
	var w workload
	switch o.Mode {
	case Echo:
		w = newEcho(r)
	case Upload:
		w = newUpload(r)
	case Download:
		w = &download{base{r}, "source"}
	case Open:
		w = &opens{base{r}}
	case Idle:
		w = &idle{base{r}}
	default:
		return nil, fmt.Errorf("mode %s is for Compare", o.Mode)
	}
	o.Client.Handler = w
	e, err := engine.Start(o.Client)
	if err != nil {
		return nil, err
	}
	r.engine = e
	defer e.Close()
	res := &Result{Options: o}
	before, err := usageOf(server)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := r.connect(ctx, w, progress); err != nil {
		return nil, err
	}
	if o.Mode == Idle {
		res.Idle = &IdleCost{Opening: time.Since(began)}
		return res, r.measureIdle(ctx, res.Idle, server, before, progress)
	}
	err = r.measure(ctx, res, string(o.Mode), server, progress)
	w.stop()
	if err != nil {
		return nil, err
	}
	return res, nil
}

// measure warms up, fills in what happens from then on, and ends the sending.
func (r *run) measure(ctx context.Context, res *Result, stage string, server *Server, progress Progress) error {
	defer r.stopped.Store(true)
	if err := r.pass(ctx, "warming up", r.o.Warmup, progress); err != nil {
		return err
	}
	begin, err := r.mark(server)
	if err != nil {
		return err
	}
	r.latency.Reset()
	if err := r.pass(ctx, stage, r.o.Duration, progress); err != nil {
		return err
	}
	end, err := r.mark(server)
	if err != nil {
		return err
	}
	res.Latency = r.latency.Summary()
	res.between(begin, end)
	return nil
}

// connect makes the connections and waits until their channels are open.
func (r *run) connect(ctx context.Context, w workload, progress Progress) error {
	began := time.Now()
	conns := make(chan *engine.Conn, r.o.Conns)
	todo := make(chan struct{}, r.o.Conns)
	for range r.o.Conns {
		todo <- struct{}{}
	}
	close(todo)
	var wg sync.WaitGroup
	for range min(dialsAtOnce, r.o.Conns) {
		wg.Go(func() {
			for range todo {
				c, err := r.engine.Dial(ctx, r.o.Addr)
				if err != nil {
					r.lose(err)
					return
				}
				conns <- c
			}
		})
	}
	wg.Wait()
	close(conns)
	for c := range conns {
		w.start(c)
	}
	want := int64(r.o.Conns) * int64(r.o.Channels)
	if r.o.Mode == Open {
		want = 0
	}
	for r.opened.Load() < want {
		if err := r.pass(ctx, "opening channels", acceptPoll, nil); err != nil {
			return err
		}
		n := r.opened.Load()
		if progress != nil {
			progress("opening channels", float64(n)/float64(want), n)
		}
		if time.Since(began) > time.Minute {
			return fmt.Errorf("only %d of %d channels were accepted within a minute", n, want)
		}
	}
	close(r.ready)
	return nil
}

// pass lets time pass.
func (r *run) pass(ctx context.Context, stage string, d time.Duration, progress Progress) error {
	began := time.Now()
	before := r.messages.Load()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	over := time.After(d)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-r.lost:
			return err
		case <-tick.C:
		case <-over:
			if progress != nil {
				progress(stage, 1, r.messages.Load()-before)
			}
			return nil
		}
		if progress != nil {
			progress(stage, float64(time.Since(began))/float64(d), r.messages.Load()-before)
		}
	}
}

// lose ends the run.
func (r *run) lose(err error) {
	select {
	case r.lost <- err:
	default:
	}
}

// mark is the state of all counters at one moment.
type mark struct {
	at              time.Time
	messages, bytes int64
	client          Usage
	server          *Usage
}

func (r *run) mark(server *Server) (m mark, err error) {
	if m.server, err = usageOf(server); err != nil {
		return m, err
	}
	if m.client, err = OwnUsage(); err != nil {
		return m, err
	}
	m.client.Stats = r.engine.Stats()
	m.at, m.messages, m.bytes = time.Now(), r.messages.Load(), r.bytes.Load()
	if r.o.Mode == Upload {
		m.bytes = int64(m.client.Stats.BytesOut)
	}
	return m, nil
}

// usageOf asks a server, if there is one.
func usageOf(server *Server) (*Usage, error) {
	if server == nil {
		return nil, nil
	}
	u, err := server.Usage()
	return &u, err
}

// measureIdle reads the memory of a server whose channels are left alone.
func (r *run) measureIdle(ctx context.Context, cost *IdleCost, server *Server, before *Usage, progress Progress) error {
	if server == nil {
		return errors.New("mode idle reads the server's memory: it needs a server of our own")
	}
	if err := r.pass(ctx, "settling", cmp.Or(r.o.Settle, settleTime), progress); err != nil {
		return err
	}
	after, err := server.Usage()
	if err != nil {
		return err
	}
	cost.Conns, cost.Channels = r.o.Conns, r.o.Conns*r.o.Channels
	cost.Before, cost.After = before.RSS, after.RSS
	r.stopped.Store(true)
	return nil
}

// base is what all workloads have in common.
type base struct{ r *run }

func (b base) OnConnect(*engine.Conn) {}

func (b base) OnDisconnect(_ *engine.Conn, err error) {
	if !b.r.stopped.Load() {
		b.r.lose(fmt.Errorf("a connection ended: %w", orNil(err)))
	}
}

func (b base) OnOpen(engine.Channel, engine.OpenRequest) engine.Answer {
	return engine.Answer{Code: engine.Refused}
}

func (b base) OnData(engine.Channel, []byte) {}
func (b base) OnWritable(engine.Channel)     {}

func (b base) OnClose(_ engine.Channel, err error) {
	if !b.r.stopped.Load() {
		b.r.lose(fmt.Errorf("a channel ended: %w", orNil(err)))
	}
}

func (b base) stop() {}

var errClean = errors.New("cleanly")

func orNil(err error) error {
	if err == nil {
		return errClean
	}
	return err
}

// openAll opens a connection's channels; context makes the context of each.
func (b base) openAll(c *engine.Conn, target string, context func() any) {
	for range b.r.o.Channels {
		if _, err := c.Open(engine.OpenOptions{Target: target, Context: context(), Compress: true}); err != nil {
			b.r.lose(err)
			return
		}
	}
}
