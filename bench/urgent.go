package bench

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/sscd-io/sscd/engine"
)

// The priorities of channels that have one.
const (
	bulkPriority   uint8 = 0
	urgentPriority uint8 = 7
)

// UrgentLoad is what else the connection carries while one channel exchanges short messages, one at a time.
type UrgentLoad string

// The loads.
const (
	Alone       UrgentLoad = "alone"
	BesideEqual UrgentLoad = "beside equals" // downloads, all channels of the default priority
	BesideBulk  UrgentLoad = "beside bulk"   // downloads of the lowest priority, the messages of the highest
)

// UrgentLoads lists them in the order in which they are measured.
var UrgentLoads = []UrgentLoad{Alone, BesideEqual, BesideBulk}

// UrgentResult is what mode urgent found.
type UrgentResult struct {
	Options Options     `json:"options"`
	Rows    []UrgentRow `json:"rows"`
}

// UrgentRow is what was measured under a load.
type UrgentRow struct {
	Load      UrgentLoad `json:"load"`
	P50       Spread     `json:"p50_ms"` // of the messages' round trips
	P99       Spread     `json:"p99_ms"`
	Max       Spread     `json:"max_ms"`
	Bulk      Spread     `json:"bulk_mb_s"`           // what the downloads carried
	ServerGB  Spread     `json:"server_cpu_s_per_gb"` // of that
	Exchanges Spread     `json:"messages_per_second"`
	Rounds    []*Result  `json:"rounds"`
}

// measureUrgent is mode urgent.
func measureUrgent(
	ctx context.Context, o Options, server ServerConfig, p Program, progress Progress,
) (*UrgentResult, error) {
	s, err := p.StartServer(ctx, server)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	o.Addr = s.Addr
	res := &UrgentResult{Options: o, Rows: make([]UrgentRow, len(UrgentLoads))}
	for i := range o.Rounds {
		for j, load := range UrgentLoads {
			one, err := RunUrgent(ctx, o, load, s, progress.during("%s, %d of %d", load, i+1, o.Rounds))
			if err != nil {
				return nil, err
			}
			row := &res.Rows[j]
			row.Load, row.Rounds = load, append(row.Rounds, one)
		}
	}
	for i := range res.Rows {
		res.Rows[i].summarize()
	}
	return res, nil
}

// RunUrgent measures one round of mode urgent, with a connection of its own.
func RunUrgent(
	ctx context.Context, o Options, load UrgentLoad, server *Server, progress Progress,
) (*Result, error) {
	if o.Channels++; load == Alone {
		o.Channels = 1
	}
	return runWith(ctx, o, string(load), server, progress, func(b base) workload {
		return &urgent{base: b, load: load, message: make([]byte, o.Size)}
	})
}

// summarize makes the spreads of the rounds.
func (row *UrgentRow) summarize() {
	var p50, p99, most, bulk, cpu, rate []float64
	for _, r := range row.Rounds {
		if l := r.Latency; l != nil {
			p50, p99, most = append(p50, ms(l.P50)), append(p99, ms(l.P99)), append(most, ms(l.Max))
		}
		bulk, cpu, rate = append(bulk, r.MBPerSecond), append(cpu, r.ServerPerGB), append(rate, r.MessagesPerSecond)
	}
	row.Bulk, row.ServerGB, row.Exchanges = SpreadOf(bulk), SpreadOf(cpu), SpreadOf(rate)
	if len(p50) > 0 {
		row.P50, row.P99, row.Max = SpreadOf(p50), SpreadOf(p99), SpreadOf(most)
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// urgent is the mode's workload. The channel with the messages has an exchange as its context, downloads have
// none.
type urgent struct {
	base
	load    UrgentLoad
	message []byte
}

// exchange is the message under way.
type exchange struct {
	sent time.Time
	got  int // bytes of it that came back
}

func (u *urgent) start(c *engine.Conn) {
	for i := range u.r.o.Channels {
		if _, err := c.Open(u.open(i)); err != nil {
			u.r.lose(err)
			return
		}
	}
}

// open returns how channel i is opened: the first one has the messages.
func (u *urgent) open(i int) engine.OpenOptions {
	o, priority := engine.OpenOptions{Target: "source"}, bulkPriority
	if i == 0 {
		o.Target, o.Context, priority = "echo", new(exchange), urgentPriority
	}
	if u.load == BesideBulk {
		o.Priority = &priority
	}
	return o
}

func (u *urgent) OnWritable(ch engine.Channel) {
	u.r.opened.Add(1)
	if x, ok := ch.Context().(*exchange); ok {
		u.send(ch, x)
	}
}

// send sends the next message.
func (u *urgent) send(ch engine.Channel, x *exchange) {
	x.sent, x.got = time.Now(), 0
	if err := ch.Send(u.message); err != nil && !u.r.stopped.Load() {
		u.r.lose(fmt.Errorf("sending one message: %w", err))
	}
}

func (u *urgent) OnData(ch engine.Channel, p []byte) {
	x, ok := ch.Context().(*exchange)
	if !ok {
		u.r.bytes.Add(int64(len(p)))
		return
	}
	if x.got += len(p); x.got < len(u.message) {
		return
	}
	u.r.latency.Record(time.Since(x.sent))
	u.r.messages.Add(1)
	u.send(ch, x)
}

// WriteJSON implements Report.
func (r *UrgentResult) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

// WriteTable implements Report.
func (r *UrgentResult) WriteTable(w io.Writer) error { return writeTable(w, r.rows) }

// rows writes the rows of the table.
func (r *UrgentResult) rows(t io.Writer) {
	fmt.Fprintf(t, "urgent: 1 connection, messages of %d bytes one at a time, alone and beside %d downloads; "+
		"round trips in ms,\n%d times each in turn: medians, lowest and highest\n",
		r.Options.Size, r.Options.Channels, r.Options.Rounds)
	fmt.Fprintln(t, "load\tp50\tp99\tmax\tMB/s\tserver CPU, s per GB")
	for _, row := range r.Rows {
		bulk, cpu := row.Bulk.Text(0), row.ServerGB.Text(3)
		if row.Load == Alone {
			bulk, cpu = "", ""
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n",
			row.Load, row.P50.Text(3), row.P99.Text(3), row.Max.Text(2), bulk, cpu)
	}
}
