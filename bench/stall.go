package bench

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sscd-io/sscd/engine"
)

// StallResult is what mode stall found.
type StallResult struct {
	Options Options    `json:"options"`
	Rows    []StallRow `json:"rows"`
}

// StallRow is what the channels but one of a connection carried, together.
type StallRow struct {
	Backend engine.Backend `json:"backend"`      // of the server
	Read    Spread         `json:"read_mb_s"`    // while the last channel was read too
	Unread  Spread         `json:"unread_mb_s"`  // while it was not
	Ratio   Spread         `json:"ratio"`        // of what follows each other: Unread by Read
	Kept    int64          `json:"kept_bytes"`   // the most that came on the last channel and was not read
	Late    int64          `json:"late_bytes"`   // what of it still came while the others were measured
	Pairs   [][2]float64   `json:"figures_mb_s"` // all figures, in the order in which they were taken
}

// measureStalls is mode stall.
func measureStalls(
	ctx context.Context, o Options, server ServerConfig, p Program, progress Progress,
) (*StallResult, error) {
	backends := []engine.Backend{engine.Epoll, engine.Net}
	if server.Backend != engine.Auto {
		backends = []engine.Backend{server.Backend}
	}
	res := &StallResult{Options: o}
	for _, b := range backends {
		server.Backend = b
		row, err := measureStall(ctx, o, server, p, progress.during("%s", b))
		if err != nil {
			return nil, err
		}
		res.Rows = append(res.Rows, *row)
	}
	return res, nil
}

// measureStall measures one server.
func measureStall(
	ctx context.Context, o Options, server ServerConfig, p Program, progress Progress,
) (*StallRow, error) {
	s, err := p.StartServer(ctx, server)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	o.Addr = s.Addr
	r := newRun(o)
	w := &stall{base: base{r}}
	o.Client.Handler = w
	if r.engine, err = engine.Start(o.Client); err != nil {
		return nil, err
	}
	defer r.engine.Close()
	defer r.stopped.Store(true)
	if err := r.connect(ctx, w, progress); err != nil {
		return nil, err
	}
	row := &StallRow{Backend: server.Backend}
	for i := range o.Rounds {
		var pair [2]float64
		for j, state := range []string{"read", "not read"} {
			w.keep(j == 1)
			stage := fmt.Sprintf("the last channel is %s, %d of %d", state, i+1, o.Rounds)
			if err := r.pass(ctx, stage+", warming up", o.Warmup, progress); err != nil {
				return nil, err
			}
			began, others, last := time.Now(), w.others.Load(), w.last.Load()
			if err := r.pass(ctx, stage, o.Duration, progress); err != nil {
				return nil, err
			}
			pair[j] = float64(w.others.Load()-others) / 1e6 / time.Since(began).Seconds()
			if j == 1 {
				row.Late += w.last.Load() - last
				row.Kept = max(row.Kept, w.keptNow())
			}
		}
		row.Pairs = append(row.Pairs, pair)
	}
	row.summarize()
	return row, nil
}

// summarize makes the spreads of the pairs.
func (row *StallRow) summarize() {
	var read, unread, ratio []float64
	for _, p := range row.Pairs {
		read, unread, ratio = append(read, p[0]), append(unread, p[1]), append(ratio, p[1]/max(p[0], 1e-9))
	}
	row.Read, row.Unread, row.Ratio = SpreadOf(read), SpreadOf(unread), SpreadOf(ratio)
}

// stall is the mode's workload: channels that the server fills, of which the last can be left unread.
type stall struct {
	base
	others, last atomic.Int64 // bytes that came, on the last channel and on the others

	mu      sync.Mutex
	channel engine.Channel // the last one
	keeps   bool           // nothing that comes on it is consumed
	kept    int            // bytes of it that came and were not consumed
}

// isLast is the context of the last channel.
type isLast struct{}

func (s *stall) start(c *engine.Conn) {
	for i := range s.r.o.Channels {
		o := engine.OpenOptions{Target: "source", ManualCredit: true}
		last := i == s.r.o.Channels-1
		if last {
			o.Context = isLast{}
		}
		ch, err := c.Open(o)
		if err != nil {
			s.r.lose(err)
			return
		}
		if last {
			s.mu.Lock()
			s.channel = ch
			s.mu.Unlock()
		}
	}
}

// keep says whether the last channel is left unread. What was kept of it is consumed when it is not.
func (s *stall) keep(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keeps = on; !on {
		s.channel.Consume(s.kept)
		s.kept = 0
	}
}

func (s *stall) keptNow() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(s.kept)
}

func (s *stall) OnWritable(engine.Channel) { s.r.opened.Add(1) }

func (s *stall) OnData(ch engine.Channel, p []byte) {
	s.r.messages.Add(1)
	if ch.Context() == nil {
		s.others.Add(int64(len(p)))
		ch.Consume(len(p))
		return
	}
	s.last.Add(int64(len(p)))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keeps {
		s.kept += len(p)
		return
	}
	ch.Consume(len(p))
}

// WriteJSON implements Report.
func (r *StallResult) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

// WriteTable implements Report.
func (r *StallResult) WriteTable(w io.Writer) error { return writeTable(w, r.rows) }

// rows writes the rows of the table.
func (r *StallResult) rows(t io.Writer) {
	n := r.Options.Channels
	fmt.Fprintf(t, "stall: 1 connection x %d channels, download; MB/s of %d, while the other one is read and is not,\n"+
		"%d times each in turn: medians, lowest and highest\n", n, n-1, r.Options.Rounds)
	fmt.Fprintln(t, "server\tread\tnot read\tratio\tbytes not read\tlate ones")
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\n", row.Backend, row.Read.Text(0), row.Unread.Text(0),
			row.Ratio.Text(3), row.Kept, row.Late)
	}
}
