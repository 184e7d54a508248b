package compare

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"golang.org/x/perf/benchmath"

	"github.com/sscd-io/sscd/bench"
)

// Options say what counts.
type Options struct {
	Threshold float64 // change that counts, of the median: 0.05 is 5 %
	Alpha     float64 // a difference is significant if chance makes it more seldom than that
}

// Defaults are the standard options. There are hundreds of figures, of which chance would make some significant
// by the usual 0.05; five rounds of each side that do not overlap have 0.008.
func Defaults() Options { return Options{Threshold: 0.05, Alpha: 0.01} }

// minRounds is how many rounds each side needs for anything to be significant by an Alpha of 0.01.
const minRounds = 5

// Check returns what is wrong with the options.
func (o Options) Check() error {
	switch {
	case !(o.Threshold >= 0 && o.Threshold <= 1000):
		return fmt.Errorf("threshold is %v, not 0 or more", o.Threshold)
	case !(o.Alpha > 0 && o.Alpha < 1):
		return fmt.Errorf("alpha is %v, not between 0 and 1", o.Alpha)
	}
	return nil
}

// Verdict is what became of a figure.
type Verdict string

// The verdicts.
const (
	Same    Verdict = "same"    // not significant, or less than the threshold
	Better  Verdict = "better"  //
	Worse   Verdict = "worse"   //
	Changed Verdict = "changed" // significant, but neither better nor worse
)

// Line compares a figure of a row.
type Line struct {
	Row    string `json:"row"`
	Figure string `json:"figure"`

	Old    bench.Spread `json:"old"`
	New    bench.Spread `json:"new"`
	Change float64      `json:"change"` // of the medians: 0.1 is 10 % more than the old one
	P      float64      `json:"p"`      // that chance makes such a difference

	OldRounds int     `json:"old_rounds"`
	NewRounds int     `json:"new_rounds"`
	Verdict   Verdict `json:"verdict"`

	test benchmath.Comparison
}

// Comparison is what Compare found.
type Comparison struct {
	Lines    []Line   `json:"lines"`
	Warnings []string `json:"warnings,omitempty"`
}

// Compare compares the rows and figures that both have.
func Compare(old, new *bench.Results, o Options) (*Comparison, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	c := &Comparison{}
	if differs := old.Machine.Differs(&new.Machine); len(differs) > 0 {
		c.Warnings = append(c.Warnings, "the two machines differ: "+strings.Join(differs, ", "))
	}
	rows := make(map[string]*bench.Row)
	for i := range old.Rows {
		rows[old.Rows[i].Key()] = &old.Rows[i]
	}
	common := 0
	for i := range new.Rows {
		row := &new.Rows[i]
		before, ok := rows[row.Key()]
		if !ok {
			continue
		}
		common++
		for _, name := range row.Names() {
			if a, b := before.All(name), row.All(name); len(a) > 0 && len(b) > 0 {
				c.Lines = append(c.Lines, o.line(title(row), name, a, b))
			}
		}
	}
	if len(c.Lines) == 0 {
		return nil, errors.New("the two have no figure in common")
	}
	if n := len(old.Rows) + len(new.Rows) - 2*common; n > 0 {
		c.Warnings = append(c.Warnings, fmt.Sprintf("%d rows are in one of the two only", n))
	}
	for _, l := range c.Lines {
		if min(l.OldRounds, l.NewRounds) < minRounds {
			c.Warnings = append(c.Warnings,
				fmt.Sprintf("rows with less than %d rounds cannot differ significantly", minRounds))
			break
		}
	}
	return c, nil
}

// title is the row for people.
func title(row *bench.Row) string {
	s := row.Workload
	if shape := row.Shape(); shape != "" {
		s += " " + shape
	}
	if row.Peer != bench.OurPeer {
		s += ", " + row.Peer
	}
	if row.Variant != "" {
		s += ", " + row.Variant
	}
	return s
}

// line compares two sets of figures.
func (o Options) line(row, name string, a, b []float64) Line {
	thresholds := benchmath.DefaultThresholds
	thresholds.CompareAlpha = o.Alpha
	x, y := benchmath.NewSample(a, &thresholds), benchmath.NewSample(b, &thresholds)
	l := Line{
		Row: row, Figure: name, OldRounds: len(a), NewRounds: len(b), Verdict: Same,
		Old: bench.SpreadOf(a), New: bench.SpreadOf(b), test: benchmath.AssumeNothing.Compare(x, y),
	}
	l.P, l.Change = l.test.P, change(l.Old.Median, l.New.Median)
	if math.IsNaN(l.P) || l.P >= o.Alpha || math.Abs(l.Change) <= o.Threshold {
		return l
	}
	switch better := bench.KindOf(name).Better; {
	case better == bench.Neutral:
		l.Verdict = Changed
	case (better == bench.Lower) == (l.Change < 0):
		l.Verdict = Better
	default:
		l.Verdict = Worse
	}
	return l
}

// change is the difference by the old figure. From nothing, it is all; more than any number can say is the largest.
func change(old, new float64) float64 {
	if old == new {
		return 0
	}
	if old == 0 {
		return math.Copysign(1, new)
	}
	return min(max((new-old)/math.Abs(old), -math.MaxFloat64), math.MaxFloat64)
}

// Count returns how many lines have the verdict.
func (c *Comparison) Count(v Verdict) (n int) {
	for _, l := range c.Lines {
		if l.Verdict == v {
			n++
		}
	}
	return n
}
