package bench

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"time"
)

// What a connection may cost a server in resident memory, in bytes: something fixed, more for each channel
// that is open, and what waits to be sent; and as much again, since Go's heap may double before it is collected.
const (
	statedGarbage = 2

	statedConn    = 8 << 10
	statedChannel = 64 << 10
	statedOut     = 1 << 20
)

// FloodResult is what mode flood found.
type FloodResult struct {
	Options Options    `json:"options"`
	Rows    []FloodRow `json:"rows"`
}

// FloodRow is one flood: what the attackers did, and what became of a well-behaved connection and of the
// server.
type FloodRow struct {
	Name string `json:"name"`
	What string `json:"what"` // for people

	Attack AttackCount `json:"attack"`

	// Echo of the well-behaved connection: alone, while the same attackers attack another server of this machine, and
	// while they attack its own.
	Idle      Victim `json:"idle"`
	Elsewhere Victim `json:"elsewhere"`
	Flood     Victim `json:"flood"`

	// Resident memory of the server, in bytes.
	Before int64 `json:"rss_before"`
	Peak   int64 `json:"rss_peak"`
	After  int64 `json:"rss_after"`  // some time after the last attacker has gone
	Stated int64 `json:"rss_stated"` // Before, and what is stated for the attackers' connections and channels

	Alive  bool   `json:"alive"`  // the server, after the flood
	Panics uint64 `json:"panics"` // of the server's handler
}

// Victim is what a well-behaved connection saw, and what the server spent meanwhile.
type Victim struct {
	Latency *Latency `json:"latency,omitempty"`
	Lost    string   `json:"lost,omitempty"` // why there is no latency: what the connection ended with
	First   bool     `json:"first"`          // its process had a processor whenever it wanted one

	CPU    float64 `json:"server_cpu"`        // processors that the server kept busy, all in all
	Others float64 `json:"frames_per_second"` // that the server took from others
}

// floodRun measures floods.
type floodRun struct {
	o       Options
	program Program
	other   *Server // that is attacked elsewhere
	server  *Server // of one flood
}

// measureFloods is mode flood: one flood after the other, each on a server of its own, whose memory is then
// that flood's.
//
// The attackers have the machine's processors and its loopback in common with the server and with the connection whose
// echo is measured. On Linux they get what those leave idle, and that connection's process has a processor whenever it
// wants one, as on a machine of its own; on other systems, or if this one does not permit it, all have their shares.
// What attackers do to the machine shows while they attack another server, which has their rank; what is beyond that
// they do to the server.
func measureFloods(
	ctx context.Context, o Options, cfg ServerConfig, p Program, progress Progress,
) (*FloodResult, error) {
	names := o.Floods
	if len(names) == 0 {
		for _, f := range floods()[1:] {
			names = append(names, f.name)
		}
	}
	elsewhere := cfg
	elsewhere.CPUProfile = ""
	other, err := p.startServer(ctx, serverProcess, elsewhere, startLow)
	if err != nil {
		return nil, err
	}
	defer other.Stop()
	r := &floodRun{o: o, program: p, other: other}
	res := &FloodResult{Options: o}
	for i, name := range names {
		f, err := floodNamed(name)
		if err != nil {
			return nil, err
		}
		var rounds []FloodRow
		for j := range o.Rounds {
			stage := progress.during("%d of %d, %s, %d of %d", i+1, len(names), name, j+1, o.Rounds)
			row, err := r.measure(ctx, cfg, f, stage)
			if err != nil {
				return nil, err
			}
			rounds = append(rounds, *row)
		}
		res.Rows = append(res.Rows, combine(rounds))
	}
	return res, nil
}

// combine makes one row of the rounds of a flood: all that the attackers did, the most memory, and of each part what
// the well-behaved connection saw in the round with the median p99.
func combine(rounds []FloodRow) FloodRow {
	row := rounds[0]
	row.Attack.Ends = maps.Clone(row.Attack.Ends)
	for _, r := range rounds[1:] {
		row.Attack.add(&r.Attack)
		if r.Peak-r.Stated > row.Peak-row.Stated {
			row.Before, row.Peak, row.After, row.Stated = r.Before, r.Peak, r.After, r.Stated
		}
		row.Alive = row.Alive && r.Alive
		row.Panics += r.Panics
	}
	part := func(of func(*FloodRow) Victim) Victim {
		var all []Victim
		for i := range rounds {
			all = append(all, of(&rounds[i]))
		}
		return medianVictim(all)
	}
	row.Idle = part(func(r *FloodRow) Victim { return r.Idle })
	row.Elsewhere = part(func(r *FloodRow) Victim { return r.Elsewhere })
	row.Flood = part(func(r *FloodRow) Victim { return r.Flood })
	return row
}

// medianVictim is the one with the median p99, or the first that was lost or saw no echo.
func medianVictim(all []Victim) Victim {
	slices.SortStableFunc(all, func(a, b Victim) int { return cmp.Compare(a.p99(), b.p99()) })
	if all[0].Latency == nil {
		return all[0]
	}
	return all[len(all)/2]
}

// p99 is 0 if there is none.
func (v *Victim) p99() time.Duration {
	if v.Latency == nil {
		return 0
	}
	return v.Latency.P99
}

// measure measures one flood.
func (r *floodRun) measure(ctx context.Context, cfg ServerConfig, f flood, progress Progress) (*FloodRow, error) {
	server, err := r.program.StartServer(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	r.server = server
	row := &FloodRow{Name: f.name, What: f.what}
	if row.Idle, err = r.echo(ctx, progress.during("nothing else")); err != nil {
		return nil, err
	}
	if _, row.Elsewhere, err = r.attacked(ctx, f, r.other, progress.during("elsewhere")); err != nil {
		return nil, err
	}
	if err := r.flooded(ctx, f, row, progress); err != nil || !row.Alive {
		return row, err
	}
	if err := newRun(r.o).pass(ctx, "settling", 2*r.o.Warmup, progress); err != nil {
		return nil, err
	}
	u, err := server.Usage()
	if err != nil {
		return nil, err
	}
	row.After = u.RSS
	return row, nil
}

// flooded fills in what the flood did.
func (r *floodRun) flooded(ctx context.Context, f flood, row *FloodRow, progress Progress) error {
	u, err := r.server.Usage()
	if err != nil {
		return err
	}
	channels := f.channels
	if channels == 0 {
		channels = r.o.Channels
	}
	row.Before = u.RSS
	row.Stated = u.RSS + statedGarbage*int64(r.o.Conns)*(statedConn+int64(channels)*statedChannel+statedOut)
	pid := r.server.cmd.Process.Pid
	if err := forgetPeak(pid); err != nil {
		return err
	}
	row.Attack, row.Flood, err = r.attacked(ctx, f, r.server, progress.during("flood"))
	if err != nil {
		return err
	}
	after, err := r.server.Usage()
	if row.Alive = err == nil; !row.Alive {
		return nil
	}
	row.Panics = after.Stats.Panics
	row.Peak, err = peakBytes(strconv.Itoa(pid))
	return err
}

// attacked measures the echo while attackers attack a server.
func (r *floodRun) attacked(
	ctx context.Context, f flood, target *Server, progress Progress,
) (count AttackCount, v Victim, err error) {
	a, err := r.program.startAttack(ctx, attackConfig{
		Addr: target.Addr, Flood: f.name, Conns: r.o.Conns, Limit: r.o.Channels, Rate: float64(r.o.Rate),
	})
	if err != nil {
		return count, v, err
	}
	defer a.Stop()
	if err = a.begun(ctx); err != nil {
		return count, v, err
	}
	if v, err = r.echo(ctx, progress); err != nil {
		return count, v, err
	}
	count, err = a.count()
	return count, v, err
}

// echo measures the echo of a well-behaved connection, one message at a time. That the connection or the
// server is lost is a result.
func (r *floodRun) echo(ctx context.Context, progress Progress) (v Victim, err error) {
	began := time.Now()
	before, err := r.server.Usage()
	if err != nil {
		return Victim{Lost: err.Error()}, nil
	}
	saw, err := r.program.suffer(ctx, victimConfig{
		Addr: r.server.Addr, Duration: r.o.Duration, Warmup: r.o.Warmup,
		Backend: r.o.Client.Backend, Socket: r.o.Client.Socket,
	}, progress)
	if err != nil {
		return v, err
	}
	v = saw.Victim
	if after, err := r.server.Usage(); err == nil {
		took := time.Since(began).Seconds()
		v.CPU = (after.CPU - before.CPU).Seconds() / took
		v.Others = max(float64(after.Stats.FramesIn-before.Stats.FramesIn)/took-saw.Rate, 0)
	}
	return v, nil
}

// checkFloods returns what is wrong with the names of floods.
func checkFloods(names []string) error {
	for _, n := range names {
		if _, err := floodNamed(n); err != nil {
			return err
		}
	}
	return nil
}
