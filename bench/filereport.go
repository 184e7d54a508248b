package bench

import (
	"fmt"
	"io"
)

// fileRound is what happened between two marks.
func fileRound(a, b mark) *FileRound {
	bytes := float64(b.bytes - a.bytes)
	server, client := b.server.CPU-a.server.CPU, b.client.CPU-a.client.CPU
	one := &FileRound{
		MBps:  bytes / 1e6 / b.at.Sub(a.at).Seconds(),
		PerGB: server.Seconds() / max(bytes, 1) * 1e9,
		Both:  (server + client).Seconds() / max(bytes, 1) * 1e9,
		Turn:  ms(b.server.Stats.LongestTurn),
		Ahead: float64(b.server.Stats.ReadAheads),
	}
	if n := b.messages - a.messages; n > 0 {
		one.Frame = bytes / float64(n)
	}
	return one
}

// spread is the spread of a figure of the rounds.
func (row *FileRow) spread(of func(*FileRound) float64) Spread {
	var all []float64
	for i := range row.Rounds {
		all = append(all, of(&row.Rounds[i]))
	}
	return SpreadOf(all)
}

// summarize makes the spreads, of the ways that were measured, and the ratios.
func (r *FileResult) summarize() {
	for i := range r.Rows {
		if len(r.Rows[i].Rounds) == 0 {
			r.Rows = r.Rows[:i] // the last way alone can be missing
			break
		}
		row := &r.Rows[i]
		row.MBps = row.spread(func(f *FileRound) float64 { return f.MBps })
		row.PerGB = row.spread(func(f *FileRound) float64 { return f.PerGB })
		row.Both = row.spread(func(f *FileRound) float64 { return f.Both })
		row.Turn = row.spread(func(f *FileRound) float64 { return f.Turn })
		row.Ahead = row.spread(func(f *FileRound) float64 { return f.Ahead })
	}
	for _, row := range r.Rows {
		if row.Way != ByRead && row.Way != ByBareLoop {
			continue
		}
		var rate, cpu, both []float64
		for i, by := range row.Rounds {
			one := r.Rows[0].Rounds[i]
			rate = append(rate, one.MBps/max(by.MBps, 1e-9))
			cpu = append(cpu, by.PerGB/max(one.PerGB, 1e-9))
			both = append(both, by.Both/max(one.Both, 1e-9))
		}
		r.Ratios = append(r.Ratios, FileRatio{row.Way, SpreadOf(rate), SpreadOf(cpu), SpreadOf(both)})
	}
}

// WriteJSON implements Report.
func (r *FileResult) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

// WriteTable implements Report.
func (r *FileResult) WriteTable(w io.Writer) error { return writeTable(w, r.rows) }

// rows writes the rows of the table.
func (r *FileResult) rows(t io.Writer) {
	o := &r.Options
	fmt.Fprintf(t, "file: 1 connection x %d channels, download of a file of %d bytes again and again,\n"+
		"%d times each way in turn: medians, lowest and highest\n", o.Channels, o.FileBytes, o.Rounds)
	fmt.Fprintln(t, "way\tMB/s\tserver CPU, s per GB\tclient too\tbytes per frame\tlongest turn, ms\treads ahead")
	for _, row := range r.Rows {
		frame := row.spread(func(f *FileRound) float64 { return f.Frame })
		fmt.Fprintf(t, "%s\t%s\t%s\t%s", row.Way, row.MBps.Text(0), row.PerGB.Text(3), row.Both.Text(3))
		if row.Way != ByBareLoop {
			fmt.Fprintf(t, "\t%.0f\t%s\t%s", frame.Median, row.Turn.Text(2), row.Ahead.Text(0))
		}
		fmt.Fprintln(t)
	}
	fmt.Fprintln(t)
	fmt.Fprintln(t, "sendfile by\tbytes per second\tbytes per server CPU second\tclient too")
	for _, q := range r.Ratios {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", q.By, q.PerSec.Text(2), q.PerCPU.Text(2), q.PerAll.Text(2))
	}
	if r.Note != "" {
		fmt.Fprintln(t, r.Note)
	}
}
