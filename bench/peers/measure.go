package main

import (
	"context"
	"fmt"
	"time"

	"github.com/sscd-io/sscd/bench"
)

// options are what the command line says.
type options struct {
	bench.Options // but for Mode, Conns, Channels and Depth
	settings      settings
	window        int // receive window of a stream; 0: as the work has it
	variants      []variant
	peers         []named
	rounds        int
	patience      time.Duration
	json          string // file for the result
}

// row is what was measured of a peer.
type row struct {
	bench.Row
	peer    named
	task    task
	missing string // why there is nothing, or no more
}

// Windows of streams, in bytes: yamux takes no smaller one, HTTP/2 no larger one; the last is for what is all bulk.
const (
	minWindow  = 256 << 10
	maxWindow  = 4<<20 - 1
	bulkWindow = 1 << 20
)

// fewStreams is how many streams a connection has room for in any case.
const fewStreams = 1024

// task is the work of a variant, for any peer.
func (v variant) task(o *options) task {
	t := task{Options: o.Options, Load: v.load, Coalesce: v.coalesce, Settings: o.settings, Patience: o.patience}
	t.Options.Mode, t.Options.Conns, t.Options.Channels, t.Options.Depth = v.mode, v.conns, v.channels, v.depth
	t.Patience += o.Warmup + o.Duration
	t.Settings.Streams = max(fewStreams, v.channels+1) // a trigger, or what is urgent
	t.Settings.Size = o.Size
	if t.Settings.Window = o.window; o.window == 0 {
		t.Settings.Window = minWindow
		if v.mode == bench.Download || v.mode == bench.Upload || v.mode == bench.File {
			t.Settings.Window = bulkWindow
		}
	}
	return t
}

// row is that of a peer, without rounds.
func (v variant) row(o *options, n named) row {
	t := v.task(o)
	t.Peer = n.name
	r := row{peer: n, task: t, missing: n.lacks(&t)}
	if d, ok := n.peer.(driven); ok && v.mode == bench.Idle && v.channels > d.most {
		if r.task.Options.Channels = d.most; v.channels >= 10*d.most { // another variant shows it
			r.missing = fmt.Sprintf("%s at most: memory or descriptors", bench.Thousands(d.most))
		}
	}
	r.Row = bench.Row{
		Workload: string(v.mode), Peer: n.name, Variant: string(v.load), Conns: v.conns,
		Channels: r.task.Options.Channels, Depth: v.depth, Size: o.Size,
	}
	if v.coalesce {
		r.Variant = "coalesced"
	}
	return r
}

// measure makes all rounds of a variant, those of the peers in turn. say is told what is being done. A peer that
// fails is not tried again.
func measure(ctx context.Context, o *options, v variant, program string, say func(string)) ([]row, error) {
	var rows []row
	for _, n := range o.peers {
		rows = append(rows, v.row(o, n))
	}
	for i := range o.rounds {
		for j := range rows {
			r := &rows[j]
			if r.missing != "" {
				continue
			}
			say(fmt.Sprintf("%s, %d of %d: %s", v.mode, i+1, o.rounds, r.Peer))
			res, err := r.task.inProcess(ctx, program)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				r.missing = fmt.Sprintf("round %d: %v", i+1, err)
				continue
			}
			f := res.Figures()
			if server, client := f[bench.ServerPerGB], f[bench.ClientPerGB]; server > 0 && client > 0 {
				f[bench.BothPerGB] = server + client
			}
			r.Rounds = append(r.Rounds, f)
		}
	}
	return rows, nil
}
