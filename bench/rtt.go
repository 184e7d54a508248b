package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"github.com/sscd-io/sscd/engine"
)

const (
	// fixedWindow is what a channel's window is without tuning, in bytes: a channel of it carries that much
	// a round trip, however fast the line.
	fixedWindow = 65536

	// maxRTT bounds the RTTs that can be asked for.
	maxRTT = 2 * time.Second

	// growTrips is how many round trips windows get to grow before anything is measured; they need eight to
	// double from fixedWindow to 16 MiB.
	growTrips = 20

	// pingTime is how long the RTT is measured, with at least minPings PINGs and at most maxPings.
	pingTime           = 500 * time.Millisecond
	minPings, maxPings = 3, 200

	// pingPatience is how long a PING's answer is waited for before that is an error.
	pingPatience = 10 * time.Second
)

// RTTResult is what mode rtt found.
type RTTResult struct {
	Options Options  `json:"options"`
	Rows    []RTTRow `json:"rows"`
}

// RTTRow is the throughput of one channel at a round trip time, in MB of payload a second.
type RTTRow struct {
	Wanted   time.Duration `json:"rtt_ns"`
	Measured time.Duration `json:"measured_ns"`           // the median of PINGs on an idle connection
	Ceiling  float64       `json:"ceiling_mb_per_second"` // of a window of 64 KiB: it, by Measured
	Down     Throughputs   `json:"down_mb_per_second"`
	Up       Throughputs   `json:"up_mb_per_second"`
	Narrow   int64         `json:"relay_full"` // times that the relay had no room, and so was a limit itself
}

// Throughputs are those with a window of 64 KiB and with one that grows, in MB a second.
type Throughputs struct {
	Fixed float64 `json:"fixed"`
	Tuned float64 `json:"tuned"`
}

// measureRTTs is mode rtt.
func measureRTTs(
	ctx context.Context, o Options, server ServerConfig, p Program, progress Progress,
) (*RTTResult, error) {
	// A goroutine that naps keeps its processor for a while. The two of a relay get one each, so that
	// they take none from the client.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 2))
	fixed, err := startSide(ctx, o, server, p, fixedWindow)
	if err != nil {
		return nil, err
	}
	defer fixed.server.Stop()
	tuned, err := startSide(ctx, o, server, p, 0)
	if err != nil {
		return nil, err
	}
	defer tuned.server.Stop()
	res := &RTTResult{Options: o}
	for _, rtt := range o.RTTs {
		row := RTTRow{Wanted: rtt}
		err := fixed.at(ctx, &row, &row.Down.Fixed, &row.Up.Fixed, progress.during("RTT %v, fixed", rtt))
		if err != nil {
			return nil, err
		}
		row.Ceiling = fixedWindow / row.Measured.Seconds() / 1e6
		err = tuned.at(ctx, &row, &row.Down.Tuned, &row.Up.Tuned, progress.during("RTT %v, tuned", rtt))
		if err != nil {
			return nil, err
		}
		res.Rows = append(res.Rows, row)
	}
	return res, nil
}

// side is one of the two things compared.
type side struct {
	o      Options
	server *Server
}

// startSide returns a side whose windows grow up to so many bytes at both ends; 0 means the default.
func startSide(ctx context.Context, o Options, cfg ServerConfig, p Program, window int) (*side, error) {
	cfg.MaxWindow, o.Client.MaxWindow = window, window
	s, err := p.StartServer(ctx, cfg)
	return &side{o, s}, err
}

// at measures the RTT, then both directions, through a relay.
func (s *side) at(ctx context.Context, row *RTTRow, down, up *float64, progress Progress) error {
	r, err := startRelay(s.server.Addr, Line{RTT: row.Wanted})
	if err != nil {
		return err
	}
	defer r.Close()
	o := s.o
	o.Addr = r.addr
	o.Warmup = max(o.Warmup, growTrips*row.Wanted)
	progress("ping", 0, 0)
	if row.Measured, err = measureRTT(ctx, o); err != nil {
		return err
	}
	for _, way := range []struct {
		mode   Mode
		figure *float64
	}{{Download, down}, {Upload, up}} {
		o.Mode = way.mode
		res, err := Run(ctx, o, s.server, progress)
		if err != nil {
			return fmt.Errorf("RTT %v: %w", row.Wanted, err)
		}
		*way.figure = res.MBPerSecond
	}
	row.Narrow += r.full.Load()
	return nil
}

// measureRTT is the median round trip time of PINGs.
func measureRTT(ctx context.Context, o Options) (rtt time.Duration, err error) {
	s, err := engine.Dial(ctx, o.Addr, o.Client)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var all []time.Duration
	for began := time.Now(); len(all) < minPings || len(all) < maxPings && time.Since(began) < pingTime; {
		patient, cancel := context.WithTimeout(ctx, pingPatience)
		d, err := s.Ping(patient)
		cancel()
		if err != nil {
			return 0, fmt.Errorf("PING %d: %w", len(all)+1, err)
		}
		all = append(all, d)
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

// WriteJSON implements Report.
func (r *RTTResult) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

// WriteTable implements Report.
func (r *RTTResult) WriteTable(w io.Writer) error { return writeTable(w, r.rows) }

// rows writes the rows of the table.
func (r *RTTResult) rows(t io.Writer) {
	fmt.Fprintln(t, "rtt: 1 connection x 1 channel through a delay, MB/s; the ceiling is 64 KiB by the RTT measured")
	fmt.Fprintln(t, "RTT\tmeasured\tceiling\tdown, 64 KiB\tdown, tuned\tup, 64 KiB\tup, tuned")
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%v\t%v\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f", row.Wanted, round(row.Measured), row.Ceiling,
			row.Down.Fixed, row.Down.Tuned, row.Up.Fixed, row.Up.Tuned)
		if row.Narrow > 0 {
			fmt.Fprintf(t, "\tthe relay was full %d times", row.Narrow)
		}
		fmt.Fprintln(t)
	}
}
