package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// WriteJSON implements Report.
func (r *FloodResult) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

// WriteTable implements Report. There are three tables: what the attackers did, what that did to somebody
// else, and what to the server.
func (r *FloodResult) WriteTable(w io.Writer) error {
	for _, rows := range []func(io.Writer){r.attackRows, r.victimRows, r.serverRows} {
		if err := writeTable(w, rows); err != nil {
			return err
		}
	}
	return nil
}

// attackRows writes what the attackers did.
func (r *FloodResult) attackRows(t io.Writer) {
	o := &r.Options
	rate := "as fast as they go"
	if o.Rate > 0 {
		rate = fmt.Sprintf("%d frames a second in all", o.Rate)
	}
	fmt.Fprintf(t, "flood: %d connections, %s, at most %d channels on each; rounds: %d\n", o.Conns, rate, o.Channels,
		o.Rounds)
	fmt.Fprintln(t, "flood\tof\twritten\tof it taken/s\tconnections\topen\tended by")
	for _, row := range r.Rows {
		a := &row.Attack
		fmt.Fprintf(t, "%s\t%s\t%d\t%.0f\t%d\t%d\t%s\n", row.Name, row.What, a.Frames, row.Flood.Others,
			a.Conns, a.Open, a.ends())
	}
}

// ends lists what connections ended by, the most frequent first.
func (a *AttackCount) ends() string {
	var why []string
	for w := range a.Ends {
		why = append(why, w)
	}
	slices.SortFunc(why, func(x, y string) int {
		if d := a.Ends[y] - a.Ends[x]; d != 0 {
			return int(d)
		}
		return strings.Compare(x, y)
	})
	for i, w := range why {
		why[i] = fmt.Sprintf("%s %d", w, a.Ends[w])
	}
	return strings.Join(why, ", ")
}

// victimRows writes what a well-behaved connection saw.
func (r *FloodResult) victimRows(t io.Writer) {
	fmt.Fprintln(t, "\necho of 64 B on a connection of its own, p50 and p99: alone, while the same attackers attack\n"+
		"another server of this machine, and while they attack its own, each of its median round; the p99 compared")
	fmt.Fprintln(t, "flood\talone\telsewhere\tflood\tflood/alone\tflood/elsewhere")
	shared := false
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", row.Name, row.Idle.text(), row.Elsewhere.text(), row.Flood.text(),
			times(row.Flood, row.Idle), times(row.Flood, row.Elsewhere))
		shared = shared || row.Flood.Latency != nil && !row.Flood.First
	}
	fmt.Fprintf(t, "at most twice\t\t\t\t%s\t%s\n", r.within(func(f *FloodRow) Victim { return f.Idle }),
		r.within(func(f *FloodRow) Victim { return f.Elsewhere }))
	if shared {
		fmt.Fprintln(t, "that connection had to share the processors: the system does not let it come first")
	}
}

// within says in how many floods the p99 was at most twice what it was in another part.
func (r *FloodResult) within(of func(*FloodRow) Victim) string {
	n := 0
	for i := range r.Rows {
		flood, other := r.Rows[i].Flood.p99(), of(&r.Rows[i])
		if flood > 0 && flood <= 2*other.p99() {
			n++
		}
	}
	return fmt.Sprintf("%d of %d", n, len(r.Rows))
}

func (v Victim) text() string {
	switch l := v.Latency; {
	case l != nil:
		return fmt.Sprintf("%v, %v", round(l.P50), round(l.P99))
	case v.Lost != "":
		return "lost: " + v.Lost
	}
	return "-"
}

// times is how many times as long the p99 of v is as that of w.
func times(v, w Victim) string {
	if v.Latency == nil || w.Latency == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f", float64(v.Latency.P99)/float64(max(w.Latency.P99, time.Nanosecond)))
}

// serverRows writes what became of the server.
func (r *FloodResult) serverRows(t io.Writer) {
	fmt.Fprintln(t, "\nthe server: resident memory, MB, beside the bound stated for attackers; processors kept busy")
	fmt.Fprintln(t, "flood\tbefore\tpeak\tafter\tbound\tCPU, alone\telsewhere\tflood\tit is")
	mb := func(n int64) string { return fmt.Sprintf("%.1f", float64(n)/1e6) }
	for _, row := range r.Rows {
		state := "alive"
		if !row.Alive {
			state = "dead"
		}
		if row.Panics > 0 {
			state += fmt.Sprintf(", %d panics", row.Panics)
		}
		if row.Peak > row.Stated {
			state += ", beyond the bound"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%.2f\t%.2f\t%.2f\t%s\n", row.Name, mb(row.Before), mb(row.Peak),
			mb(row.After), mb(row.Stated), row.Idle.CPU, row.Elsewhere.CPU, row.Flood.CPU, state)
	}
}
