package claims

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/sscd-io/sscd/bench"
)

// Verdict is what became of a claim.
type Verdict string

// The verdicts.
const (
	Beaten       Verdict = "beaten"  // in every round
	Met          Verdict = "met"     // by the median
	Refuted      Verdict = "refuted" // not even that
	NotAvailable Verdict = "not available"
)

// least is what a cost counts at least, so that there is a ratio to nothing.
const least = 1e-4

// Claim is what was measured of a claim.
type Claim struct {
	Name    string       `json:"name"`
	Claim   string       `json:"claim"`
	Factor  float64      `json:"factor"` // how many times better ours is to be
	Unit    string       `json:"unit"`
	OursIs  string       `json:"ours_is"`
	OtherIs string       `json:"other_is"`
	Ours    bench.Spread `json:"ours"`
	Other   bench.Spread `json:"other"`
	Ratio   bench.Spread `json:"ratio"` // how many times better ours is, of rounds beside each other
	Verdict Verdict      `json:"verdict"`
	Note    string       `json:"note,omitempty"`
}

// compare fills in the figures of both sides.
func (c *Claim) compare(ours, other []float64, more bool) {
	var ratios []float64
	for i := range ours {
		a, b := max(ours[i], least), max(other[i], least)
		if more {
			a, b = b, a
		}
		ratios = append(ratios, b/a)
	}
	c.Ours, c.Other, c.Ratio = bench.SpreadOf(ours), bench.SpreadOf(other), bench.SpreadOf(ratios)
}

// judge fills in the verdict.
func (c *Claim) judge() {
	switch {
	case c.Verdict != "":
	case c.Ratio.Low > c.Factor:
		c.Verdict = Beaten
	case c.Ratio.Median >= c.Factor:
		c.Verdict = Met
	default:
		c.Verdict = Refuted
	}
}

// Report is what was measured of all claims.
type Report struct {
	Options Options `json:"options"`
	Claims  []Claim `json:"claims"`
}

// WriteJSON implements bench.Report.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteTable implements bench.Report.
func (r *Report) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	o := &r.Options
	fmt.Fprintf(t, "claims: %d conversations, %d rounds each in turn: medians, lowest and highest\n",
		o.Conversations, o.Rounds)
	fmt.Fprintln(t, "claim\tours\tthe other\ttimes better\tverdict")
	for _, c := range r.Claims {
		if c.Verdict == NotAvailable {
			fmt.Fprintf(t, "%s\t\t\t\t%s\n", c.Claim, c.Verdict)
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", c.Claim, text(c.Ours), text(c.Other), text(c.Ratio), c.Verdict)
	}
	fmt.Fprintln(t)
	for _, c := range r.Claims {
		fmt.Fprintf(t, "%s: %s; %s beside %s", c.Name, c.Unit, c.OursIs, c.OtherIs)
		if c.Note != "" {
			fmt.Fprintf(t, "; %s", c.Note)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// text is a spread with as many decimals as its size deserves.
func text(s bench.Spread) string {
	decimals := 0
	for v := s.Median; v < 100 && decimals < 4; v *= 10 {
		decimals++
	}
	return s.Text(decimals)
}
