package bench

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/sscd-io/sscd/codec"
)

// FanoutResult is what mode fanout found.
type FanoutResult struct {
	Options Options     `json:"options"`
	Rows    []FanoutRow `json:"rows"`
}

// FanoutRow is what one way cost to send a message to all channels.
type FanoutRow struct {
	Way     string        `json:"way"`
	Rate    Spread        `json:"messages_per_second"`       // delivered, on all channels together
	CPU     Spread        `json:"server_cpu_ns_per_message"` // for one channel
	Frames  Spread        `json:"server_frames_per_write"`
	Turn    Spread        `json:"server_longest_turn_ms"` // so far, of either way
	Rounds  []FanoutRound `json:"rounds"`
	trigger byte
}

// FanoutRound is one round of a way.
type FanoutRound struct {
	Rate   float64 `json:"messages_per_second"`
	CPU    float64 `json:"server_cpu_ns_per_message"`
	Client float64 `json:"client_cpu_ns_per_message"`
	Frames float64 `json:"server_frames_per_write"`
	Turn   float64 `json:"server_longest_turn_ms"`
}

// measureFanout is mode fanout.
func measureFanout(
	ctx context.Context, o Options, server ServerConfig, p Program, progress Progress,
) (*FanoutResult, error) {
	server.Group = o.Size
	s, err := p.StartServer(ctx, server)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	o.Addr = s.Addr
	f := &fanout{r: newRun(o)}
	defer f.close()
	if err := f.join(ctx, progress); err != nil {
		return nil, err
	}
	res := &FanoutResult{Options: o, Rows: []FanoutRow{
		{Way: "Broadcast", trigger: castAll}, {Way: "Send on each", trigger: sendEach},
	}}
	f.goal.Store(int64(o.Conns) * int64(o.Channels) * int64(o.Size))
	f.how.Store(int32(castAll))
	if err := f.next(); err != nil {
		return nil, err
	}
	for i := range o.Rounds {
		for j := range res.Rows {
			row := &res.Rows[j]
			f.how.Store(int32(row.trigger))
			stage := progress.during("%s, %d of %d", row.Way, i+1, o.Rounds)
			one, err := f.round(ctx, s, stage)
			if err != nil {
				return nil, err
			}
			row.Rounds = append(row.Rounds, *one)
		}
	}
	for i := range res.Rows {
		res.Rows[i].summarize()
	}
	return res, nil
}

// fanout is the client's side: connections whose channels are a group, and one channel that has it sent to.
type fanout struct {
	r       *run
	drains  []*drain
	trigger *drain
	goal    atomic.Int64 // bytes that have come when the message under way has reached all
	how     atomic.Int32 // the way of the next one
}

// join makes the connections and waits until their channels are open.
func (f *fanout) join(ctx context.Context, progress Progress) error {
	o := &f.r.o
	for i := range o.Conns + 1 {
		channels, target := o.Channels, groupTarget
		if i == o.Conns {
			channels, target = 1, triggerTarget
		}
		d, err := newDrain(ctx, f.r, channels, 0)
		if err != nil {
			return err
		}
		f.drains, f.trigger, d.came = append(f.drains, d), d, f.came
		if err := d.open(func(int) string { return target }); err != nil {
			return err
		}
	}
	want := int64(o.Conns)*int64(o.Channels) + 1
	for began := time.Now(); f.r.opened.Load() < want; {
		if err := f.r.pass(ctx, "opening channels", 50*time.Millisecond, nil); err != nil {
			return err
		}
		n := f.r.opened.Load()
		progress("opening channels", float64(n)/float64(want), n)
		if time.Since(began) > time.Minute {
			return fmt.Errorf("only %d of %d channels were accepted within a minute", n, want)
		}
	}
	return nil
}

// came has the next message sent when all have the last one.
func (f *fanout) came(bytes int64) {
	if goal := f.goal.Load(); bytes != goal {
		return
	}
	o := &f.r.o
	f.goal.Add(int64(o.Conns) * int64(o.Channels) * int64(o.Size))
	if err := f.next(); err != nil && !f.r.stopped.Load() {
		f.r.lose(fmt.Errorf("the connection of triggers ended: %w", err))
	}
}

// close ends the connections.
func (f *fanout) close() {
	f.r.stopped.Store(true)
	for _, d := range f.drains {
		d.conn.Close()
	}
}

// next has a message sent.
func (f *fanout) next() error { return f.trigger.say(1, codec.Data, []byte{byte(f.how.Load())}) }

// measure warms up, and returns the marks around what is measured.
func (f *fanout) measure(ctx context.Context, s *Server, progress Progress) (a, b mark, err error) {
	r := f.r
	if err = r.pass(ctx, "warming up", r.o.Warmup, progress); err != nil {
		return a, b, err
	}
	if a, err = r.drainMark(s); err != nil {
		return a, b, err
	}
	if err = r.pass(ctx, "measuring", r.o.Duration, progress); err != nil {
		return a, b, err
	}
	b, err = r.drainMark(s)
	return a, b, err
}

// round measures one round.
func (f *fanout) round(ctx context.Context, s *Server, progress Progress) (*FanoutRound, error) {
	a, b, err := f.measure(ctx, s, progress)
	if err != nil {
		return nil, err
	}
	n := float64(b.bytes-a.bytes) / float64(f.r.o.Size)
	sa, sb := &a.server.Stats, &b.server.Stats
	return &FanoutRound{
		Rate:   n / b.at.Sub(a.at).Seconds(),
		CPU:    float64(b.server.CPU-a.server.CPU) / max(n, 1),
		Client: float64(b.client.CPU-a.client.CPU) / max(n, 1),
		Frames: float64(sb.FramesOut-sa.FramesOut) / max(float64(sb.Writes-sa.Writes), 1),
		Turn:   ms(sb.LongestTurn),
	}, nil
}

// summarize makes the spreads of the rounds.
func (row *FanoutRow) summarize() {
	var rate, cpu, frames, turn []float64
	for _, r := range row.Rounds {
		rate, cpu = append(rate, r.Rate), append(cpu, r.CPU)
		frames, turn = append(frames, r.Frames), append(turn, r.Turn)
	}
	row.Rate, row.CPU, row.Frames, row.Turn = SpreadOf(rate), SpreadOf(cpu), SpreadOf(frames), SpreadOf(turn)
}

// WriteJSON implements Report.
func (r *FanoutResult) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

// WriteTable implements Report.
func (r *FanoutResult) WriteTable(w io.Writer) error { return writeTable(w, r.rows) }

// rows writes the rows of the table.
func (r *FanoutResult) rows(t io.Writer) {
	o := &r.Options
	fmt.Fprintf(t, "fanout: a message of %d bytes to %d connections x %d channels, again when it has reached all,\n"+
		"%d times each way in turn: medians, lowest and highest\n", o.Size, o.Conns, o.Channels, r.Options.Rounds)
	fmt.Fprintln(t, "way\tmessages/s\tserver CPU, ns per message\tframes per write\tlongest turn, ms")
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%.2f\n", row.Way, row.Rate.Text(0), row.CPU.Text(0), row.Frames.Text(0),
			row.Turn.High)
	}
}
