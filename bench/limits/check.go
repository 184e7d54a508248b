package limits

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"text/tabwriter"
	"time"

	"github.com/sscd-io/sscd/bench"
)

// Checked is what a line comes to beside what was measured of it.
type Checked struct {
	Limits   *Limits           `json:"limits"`
	Measured *bench.LineResult `json:"measured"`
	Loss     *bench.LossResult `json:"loss,omitempty"`
	Rows     []Row             `json:"rows"`
	LossRows []Row             `json:"loss_rows,omitempty"`
	Note     string            `json:"note,omitempty"` // what was not measured, and why
}

// Row is one limit, predicted and measured.
type Row struct {
	Name      string  `json:"name"`
	Unit      string  `json:"unit"`
	Predicted float64 `json:"predicted"`
	Measured  float64 `json:"measured"`
}

// Overrun returns by what part of what was predicted the measured differs.
func (r Row) Overrun() float64 { return r.Measured/math.Max(r.Predicted, 1e-12) - 1 }

// Compare sets what was measured through a relay beside the limits. A relay carries bytes and no packets, so that its
// rate goes to frames alone, and it loses none.
func Compare(l *Limits, m *bench.LineResult) *Checked {
	c := &Checked{Limits: l, Measured: m}
	good := l.Line.Rate * l.FrameShare
	rtt := l.Line.RTT.Seconds()
	c.Rows = []Row{
		{"round trip", "ms", 1e3 * rtt, 1e3 * m.RTT.Seconds()},
		{"one channel, fixed window", "MB/s", min(float64(l.Line.Window)/rtt, good) / 1e6, m.Fixed / 1e6},
		{"one channel, window grows", "MB/s", min(largestWindow/rtt, good) / 1e6, m.One / 1e6},
		{"all channels", "MB/s", good / 1e6, m.All / 1e6},
		{"lowest share", "kB/s", good / float64(l.Line.Channels) / 1e3, m.Low / 1e3},
		{"highest share", "kB/s", good / float64(l.Line.Channels) / 1e3, m.High / 1e3},
	}
	return c
}

// AddLoss adds what was measured on a line that loses packets, or why nothing was.
func (c *Checked) AddLoss(m *bench.LossResult, err error) {
	if err != nil {
		c.Note = fmt.Sprintf("loss can't be emulated here: %v", err)
		return
	}
	c.Loss = m
	l := c.Limits
	c.LossRows = []Row{
		{"round trip", "ms", 1e3 * l.Line.RTT.Seconds(), 1e3 * m.RTT.Seconds()},
		{"packets lost", "%", 100 * l.Line.Loss, 100 * float64(m.Lost) / math.Max(float64(m.Packets), 1)},
	}
	for _, r := range m.Rates {
		want := l.Goodput
		if r.Control == "reno" {
			want = min(want, l.Loss.Reno)
		}
		c.LossRows = append(c.LossRows, Row{"all channels, " + r.Control, "MB/s", want / 1e6, r.Rate / 1e6})
	}
	waiting := 2 * m.Messages * max(0, 1-m.LateBy.Seconds()/m.RTT.Seconds())
	c.LossRows = append(c.LossRows, Row{
		fmt.Sprintf("late by %v", m.LateBy.Round(100*time.Microsecond)), "%",
		100 * lost(l.Line.Loss, waiting), 100 * m.Late,
	})
}

// largestWindow is what the window of a channel grows to by default, in bytes.
const largestWindow = 16 << 20

// WriteJSON implements bench.Report.
func (c *Checked) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(c)
}

// WriteTable implements bench.Report.
func (c *Checked) WriteTable(w io.Writer) error {
	if err := c.Limits.WriteTable(w); err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nchecked through a relay that delays and limits bytes; it has no packets, so G is B x F/(F+16)")
	writeRows(t, c.Rows)
	if c.Loss != nil {
		fmt.Fprintf(t, "\nchecked on a TUN device that loses packets, by chance; its queue dropped %d of %d besides\n",
			c.Loss.Dropped, c.Loss.Packets)
		writeRows(t, c.LossRows)
		fmt.Fprintf(t, lossNotes, c.Loss.Messages)
	}
	if c.Note != "" {
		fmt.Fprintln(t, c.Note)
	}
	return t.Flush()
}

// lossNotes say what stands behind the predictions.
const lossNotes = `late: 1 - (1-p)^(2n(1 - late/RTT)), of short messages, n = %.1f in flight each way; more if TCP takes
longer than a round trip to see a loss. Reno's formula knows no timeouts: it is too high where p is. Losses are few in
a short time: --duration 20s or more
`

// writeRows writes rows of the table.
func writeRows(t io.Writer, rows []Row) {
	fmt.Fprintln(t, "\tpredicted\tmeasured\tdifference")
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%.4g %s\t%.4g %s\t%+.1f %%\n",
			r.Name, r.Predicted, r.Unit, r.Measured, r.Unit, 100*r.Overrun())
	}
}
