package bench

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/sscd-io/sscd/engine"
)

// fairWindow is the receive window of each channel, and of the connection, in bytes: it must not be what decides.
const fairWindow = 128 << 20

// FairResult is what mode fair found.
type FairResult struct {
	Options Options   `json:"options"`
	Strict  bool      `json:"strict"`
	Rows    []FairRow `json:"rows"`
}

// FairRow is what channels got of a connection that all of them would fill.
type FairRow struct {
	Channels int     `json:"channels"`
	Priority string  `json:"priority"`
	MBps     float64 `json:"mb_s"`    // of all together
	Shares   []int64 `json:"bytes"`   // of each
	Low      float64 `json:"lowest"`  // of them, as a part of all
	High     float64 `json:"highest"` //
}

// measureShares is mode fair.
func measureShares(
	ctx context.Context, o Options, server ServerConfig, p Program, progress Progress,
) (*FairResult, error) {
	res := &FairResult{Options: o, Strict: server.StrictPriority}
	for _, c := range []struct {
		channels int
		priority string
		queue    int // that never runs dry within a turn of the server's
	}{{2, "equal", 1 << 20}, {256, "equal", 128 << 10}, {8, "0 to 7", 1 << 20}} {
		server.SendQueue = c.queue
		row := FairRow{Channels: c.channels, Priority: c.priority}
		o.Channels = c.channels
		stage := progress.during("%d channels, %s", c.channels, c.priority)
		if err := row.measure(ctx, o, server, p, stage); err != nil {
			return nil, err
		}
		res.Rows = append(res.Rows, row)
	}
	return res, nil
}

// measure measures one case.
func (row *FairRow) measure(ctx context.Context, o Options, server ServerConfig, p Program, progress Progress) error {
	s, err := p.StartServer(ctx, server)
	if err != nil {
		return err
	}
	defer s.Stop()
	o.Addr = s.Addr
	r := newRun(o)
	w := &fair{base: base{r}, equal: row.Priority == "equal", got: make([]atomic.Int64, row.Channels)}
	o.Client.Handler, o.Client.Window, o.Client.ConnWindow = w, fairWindow, fairWindow
	if r.engine, err = engine.Start(o.Client); err != nil {
		return err
	}
	defer r.engine.Close()
	defer r.stopped.Store(true)
	if err := r.connect(ctx, w, progress); err != nil {
		return err
	}
	if err := r.pass(ctx, "warming up", o.Warmup, progress); err != nil {
		return err
	}
	before := w.now()
	if err := r.pass(ctx, "measuring", o.Duration, progress); err != nil {
		return err
	}
	all := int64(0)
	for i, n := range w.now() {
		row.Shares = append(row.Shares, n-before[i])
		all += n - before[i]
	}
	row.MBps = float64(all) / 1e6 / o.Duration.Seconds()
	row.Low = float64(slices.Min(row.Shares)) / float64(max(all, 1))
	row.High = float64(slices.Max(row.Shares)) / float64(max(all, 1))
	return nil
}

// fair is the mode's workload: channels that the server fills, of one priority or of each.
type fair struct {
	base
	equal bool
	got   []atomic.Int64 // bytes that came on each
}

func (f *fair) start(c *engine.Conn) {
	for i := range f.got {
		priority := uint8(engine.DefaultPriority)
		if !f.equal {
			priority = uint8(i)
		}
		o := engine.OpenOptions{Target: "source", Context: i, Priority: &priority}
		if _, err := c.Open(o); err != nil {
			f.r.lose(err)
			return
		}
	}
}

// now is what came so far.
func (f *fair) now() (got []int64) {
	for i := range f.got {
		got = append(got, f.got[i].Load())
	}
	return got
}

func (f *fair) OnWritable(engine.Channel) { f.r.opened.Add(1) }

func (f *fair) OnData(ch engine.Channel, p []byte) {
	f.r.messages.Add(1)
	f.got[ch.Context().(int)].Add(int64(len(p)))
}

// WriteJSON implements Report.
func (r *FairResult) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

// WriteTable implements Report.
func (r *FairResult) WriteTable(w io.Writer) error { return writeTable(w, r.rows) }

// rows writes the rows of the table.
func (r *FairResult) rows(t io.Writer) {
	fmt.Fprintf(t, "fair: 1 connection, download on all channels; strict priorities: %v\n", r.Strict)
	fmt.Fprintln(t, "channels\tpriority\tMB/s\tlowest %\thighest %\tlowest by highest")
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%d\t%s\t%.0f\t%.3f\t%.3f\t%.3f\n", row.Channels, row.Priority, row.MBps, 100*row.Low,
			100*row.High, row.Low/max(row.High, 1e-9))
	}
	last := r.Rows[len(r.Rows)-1].Shares
	all := int64(0)
	for _, n := range last {
		all += n
	}
	fmt.Fprint(t, "priorities 0 to 7, %")
	for _, n := range last {
		fmt.Fprintf(t, "\t%.2f", 100*float64(n)/float64(max(all, 1)))
	}
	fmt.Fprintln(t)
}
