package bench

import (
	"fmt"
	"io"
)

// Measured implements Report.
func (r *ScaleResult) Measured(string) []Row { return r.Rows }

// WriteJSON implements Report.
func (r *ScaleResult) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

// WriteTable implements Report.
func (r *ScaleResult) WriteTable(w io.Writer) error {
	return writeTable(w, func(t io.Writer) {
		for i := range r.Rows {
			row := &r.Rows[i]
			if i == 0 || row.Workload != r.Rows[i-1].Workload {
				scaleHead(t, row)
			}
			fmt.Fprintf(t, "%s\t%s\t%s", Thousands(row.Conns), Thousands(row.Channels), row.Variant)
			for _, name := range scaleColumns(row.Workload) {
				cell := "-"
				if s, ok := row.Spread(name); ok {
					if cell = scaleText(s.Median); len(row.Rounds) > 1 {
						cell += fmt.Sprintf(" (%s to %s)", scaleText(s.Low), scaleText(s.High))
					}
				}
				fmt.Fprintf(t, "\t%s", cell)
			}
			fmt.Fprintln(t)
		}
		for _, note := range r.Notes {
			fmt.Fprintln(t, note)
		}
	})
}

func scaleHead(t io.Writer, row *Row) {
	fmt.Fprintf(t, "%s: connections, channels on each, idle; then messages of %d bytes in turn on all\n",
		row.Workload, row.Size)
	fmt.Fprint(t, "conns\tchannels\t")
	for _, name := range scaleColumns(row.Workload) {
		fmt.Fprint(t, "\t", KindOf(name).Label())
	}
	fmt.Fprintln(t)
}

// scaleColumns are the figures in the table.
func scaleColumns(workload string) []string {
	if workload == "scale "+ScaleChurn {
		return []string{HeapBefore, HeapOpen, HeapAfter, ServerRSS}
	}
	each := BytesPerChannel
	if workload == "scale "+ScaleConns {
		each = BytesPerConn
	}
	return []string{each, ChannelsOpened, P50, P99, MessagesPerSecond, ServerPerMillion, FramesPerRead,
		GCPerCollection, GCPause}
}

// scaleText is a figure with three digits or so.
func scaleText(v float64) string {
	switch {
	case v >= 100 || v <= -100:
		return Thousands(int(v + 0.5))
	case v >= 1:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.3f", v)
}
