package bench

import (
	"fmt"
	"maps"
	"strings"
)

// row is a row of what the options say, of this engine, without rounds.
func (o *Options) row(variant ...string) Row {
	row := Row{
		Workload: string(o.Mode), Peer: OurPeer, Variant: joined(variant),
		Conns: o.Conns, Channels: o.Channels, Depth: o.Depth, Size: o.Size,
	}
	switch o.Mode {
	case Open:
		row.Channels, row.Size = 0, 0
	case Idle, Download, Stall, Fair, File:
		row.Depth, row.Size = 0, 0
	case Upload, Urgent, Fanout, RTT, Flood:
		row.Depth = 0
	}
	return row
}

// joined joins what is not empty.
func joined(parts []string) string {
	var kept []string
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, ", ")
}

// known drops figures that are 0 because nobody knows them.
func (f Figures) known() Figures {
	maps.DeleteFunc(f, func(_ string, v float64) bool { return v == 0 || !finite(v) })
	return f
}

// Measured implements Report.
func (r *Result) Measured(variant string) []Row {
	row := r.Options.row(variant)
	row.Rounds = []Figures{r.Figures()}
	return []Row{row}
}

// Measured implements Report.
func (r *UrgentResult) Measured(variant string) []Row {
	var rows []Row
	for _, u := range r.Rows {
		row := r.Options.row(variant, string(u.Load))
		for _, one := range u.Rounds {
			f := one.Figures()
			delete(f, ServerPerMillion) // mostly of the downloads
			delete(f, ClientPerMillion)
			if u.Load == Alone {
				delete(f, MBPerSecond)
				delete(f, ServerPerGB)
				delete(f, ClientPerGB)
			}
			row.Rounds = append(row.Rounds, f)
		}
		rows = append(rows, row)
	}
	return rows
}

// Measured implements Report. The variant is the backend of each row.
func (r *StallResult) Measured(string) []Row {
	var rows []Row
	for _, s := range r.Rows {
		row := r.Options.row(string(s.Backend))
		for _, p := range s.Pairs {
			row.Rounds = append(row.Rounds, Figures{
				ReadMBPerSecond: p[0], UnreadMBPerSecond: p[1], UnreadByRead: p[1] / max(p[0], 1e-9),
			}.known())
		}
		rows = append(rows, row)
	}
	return rows
}

// Measured implements Report.
func (r *FairResult) Measured(variant string) []Row {
	var rows []Row
	for _, f := range r.Rows {
		row := r.Options.row(variant, "priorities "+f.Priority)
		row.Channels = f.Channels
		row.Rounds = []Figures{Figures{
			MBPerSecond: f.MBps, LowestShare: 100 * f.Low, HighestShare: 100 * f.High,
			Evenness: f.Low / max(f.High, 1e-9),
		}.known()}
		rows = append(rows, row)
	}
	return rows
}

// Measured implements Report.
func (r *FileResult) Measured(variant string) []Row {
	var rows []Row
	for _, f := range r.Rows {
		row := r.Options.row(variant, string(f.Way))
		for _, one := range f.Rounds {
			row.Rounds = append(row.Rounds, Figures{
				MBPerSecond: one.MBps, ServerPerGB: one.PerGB, ClientPerGB: one.Both - one.PerGB,
				LongestTurn: one.Turn, ReadsAhead: one.Ahead,
			}.known())
		}
		rows = append(rows, row)
	}
	return rows
}

// Measured implements Report.
func (r *FanoutResult) Measured(variant string) []Row {
	var rows []Row
	for _, f := range r.Rows {
		row := r.Options.row(variant, f.Way)
		for _, one := range f.Rounds {
			row.Rounds = append(row.Rounds, Figures{
				MessagesPerSecond: one.Rate, ServerPerMillion: one.CPU / 1e3, ClientPerMillion: one.Client / 1e3,
				FramesPerWrite: one.Frames, LongestTurn: one.Turn,
			}.known())
		}
		rows = append(rows, row)
	}
	return rows
}

// Measured implements Report.
func (r *RTTResult) Measured(variant string) []Row {
	var rows []Row
	for _, t := range r.Rows {
		for _, way := range []struct {
			name string
			mbps float64
		}{
			{"down, 64 KiB", t.Down.Fixed}, {"down, tuned", t.Down.Tuned},
			{"up, 64 KiB", t.Up.Fixed}, {"up, tuned", t.Up.Tuned},
		} {
			row := r.Options.row(variant, fmt.Sprintf("%v %s", t.Wanted, way.name))
			row.Rounds = []Figures{Figures{MBPerSecond: way.mbps, RTTMeasured: ms(t.Measured)}.known()}
			rows = append(rows, row)
		}
	}
	return rows
}

// Measured implements Report.
func (r *FloodResult) Measured(variant string) []Row {
	p99 := func(v Victim) float64 {
		if v.Latency == nil {
			return 0
		}
		return ms(v.Latency.P99)
	}
	var rows []Row
	for _, f := range r.Rows {
		row := r.Options.row(variant, f.Name)
		row.Rounds = []Figures{Figures{
			P99: p99(f.Flood), P99Alone: p99(f.Idle), P99Elsewhere: p99(f.Elsewhere),
			PeakRSS: float64(f.Peak) / 1e6, FloodFrames: f.Flood.Others,
		}.known()}
		rows = append(rows, row)
	}
	return rows
}
