package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/sscd-io/sscd/bench"
)

// options are what the command line says.
type options struct {
	bench.Options
	settings
	peers   []named
	rounds  int
	json    string        // file for the result
	program bench.Program // which is the servers too
}

// row is what was measured of a peer.
type row struct {
	Peer   string           `json:"peer"`
	Load   bench.UrgentLoad `json:"load,omitempty"`
	Rounds []*bench.Result  `json:"rounds"`

	peer peer
}

// measure makes all rounds, in turn. say is told what is being done.
func measure(ctx context.Context, o *options, say func(string)) ([]row, error) {
	var rows []row
	for _, n := range o.peers {
		if o.Mode != bench.Urgent {
			rows = append(rows, row{Peer: n.name, peer: n.peer})
			continue
		}
		for _, load := range bench.UrgentLoads {
			if load != bench.BesideBulk || n.prioritizes() {
				rows = append(rows, row{Peer: n.name, Load: load, peer: n.peer})
			}
		}
	}
	for i := range o.rounds {
		for j := range rows {
			r := &rows[j]
			say(fmt.Sprintf("round %d of %d: %s %s", i+1, o.rounds, r.Peer, r.Load))
			res, err := r.peer.round(ctx, o, r.Load)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.Peer, err)
			}
			r.Rounds = append(r.Rounds, res)
		}
	}
	return rows, nil
}

// spread is that of a figure of the rounds, or nothing if it is never known.
func (r row) spread(decimals int, figure func(*bench.Result) float64) string {
	var all []float64
	for _, res := range r.Rounds {
		if v := figure(res); v > 0 {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return bench.SpreadOf(all).Text(decimals)
}

// latency is the spread of a latency, in ms.
func (r row) latency(decimals int, of func(*bench.Latency) time.Duration) string {
	return r.spread(decimals, func(res *bench.Result) float64 {
		if res.Latency == nil {
			return 0
		}
		return float64(of(res.Latency)) / float64(time.Millisecond)
	})
}

func p50(l *bench.Latency) time.Duration  { return l.P50 }
func p99(l *bench.Latency) time.Duration  { return l.P99 }
func most(l *bench.Latency) time.Duration { return l.Max }

func perSecond(r *bench.Result) float64     { return r.MessagesPerSecond / 1000 }
func mbPerSecond(r *bench.Result) float64   { return r.MBPerSecond }
func serverMillion(r *bench.Result) float64 { return r.ServerPerMillion }
func clientMillion(r *bench.Result) float64 { return r.ClientPerMillion }
func serverGB(r *bench.Result) float64      { return r.ServerPerGB }
func bothGB(r *bench.Result) float64        { return r.ServerPerGB + r.ClientPerGB }

// write writes the table.
func write(out io.Writer, o *options, rows []row) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s; %d rounds of %v in turn: medians, lowest and highest;\n"+
		"windows of %d KiB where they are fixed; nothing is encrypted but quic\n",
		title(o), o.rounds, o.Duration, o.Window>>10)
	switch o.Mode {
	case bench.Echo:
		fmt.Fprintln(t, "peer\t1,000 messages/s\tp50, ms\tp99, ms\tserver CPU, s per million\tclient CPU")
		for _, r := range rows {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Peer, r.spread(0, perSecond), r.latency(2, p50),
				r.latency(2, p99), r.spread(2, serverMillion), r.spread(2, clientMillion))
		}
	case bench.Download:
		fmt.Fprintln(t, "peer\tMB/s\tserver CPU, s per GB\tboth sides")
		for _, r := range rows {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", r.Peer, r.spread(0, mbPerSecond), r.spread(2, serverGB),
				r.spread(2, bothGB))
		}
	default:
		fmt.Fprintln(t, "peer\tload\tp50, ms\tp99, ms\tmax, ms\tMB/s\tserver CPU, s per GB\tboth sides")
		for _, r := range rows {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Peer, r.Load, r.latency(2, p50),
				r.latency(2, p99), r.latency(1, most), r.spread(0, mbPerSecond), r.spread(2, serverGB),
				r.spread(2, bothGB))
		}
	}
	return t.Flush()
}

// title says what is measured.
func title(o *options) string {
	switch o.Mode {
	case bench.Echo:
		return fmt.Sprintf("echo: 1 connection x %d streams x %d messages of %d bytes", o.Channels, o.Depth, o.Size)
	case bench.Download:
		return fmt.Sprintf("bulk: 1 connection x %d downloads", o.Channels)
	}
	return fmt.Sprintf("urgent: messages of %d bytes one at a time, alone and beside %d downloads", o.Size, o.Channels)
}

// writeJSON writes all rounds.
func writeJSON(out io.Writer, o *options, rows []row) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Options  bench.Options `json:"options"`
		Settings settings      `json:"settings"`
		Rows     []row         `json:"rows"`
	}{o.Options, o.settings, rows})
}
