package tune

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sscd-io/sscd/bench"
)

// Verdict is what became of a value.
type Verdict string

// The verdicts.
const (
	Kept     Verdict = "kept"
	NoBetter Verdict = "no better"
	Noise    Verdict = "not beyond the noise"
	NoTime   Verdict = "no time left"
	Failed   Verdict = "failed"
)

// Trial is a value of a knob beside the best settings at that time.
type Trial struct {
	Flag    string       `json:"flag"`
	Value   string       `json:"value"`
	Beside  string       `json:"beside"` // flags; empty means the defaults
	Pairs   int          `json:"pairs"`  // of rounds
	Base    bench.Spread `json:"base"`
	New     bench.Spread `json:"new"`
	Gain    float64      `json:"gain"` // part by which the median is better
	P       float64      `json:"p"`    // that chance alone does it
	Verdict Verdict      `json:"verdict"`
	Note    string       `json:"note,omitempty"`
}

// Final is the best settings beside the defaults, in rounds of their own.
type Final struct {
	Flags string       `json:"flags"`
	Base  bench.Spread `json:"base"`
	Best  bench.Spread `json:"best"`
	Gain  float64      `json:"gain"`  // of the medians
	Gains bench.Spread `json:"gains"` // of each round and the one beside it: the noise
	P     float64      `json:"p"`
	Holds bool         `json:"holds"`
}

// Report is what Tune found.
type Report struct {
	Options Options      `json:"options"`
	Rounds  int          `json:"rounds"`
	Base    bench.Spread `json:"base"` // of the defaults, in all trials beside them
	Trials  []Trial      `json:"trials"`
	Final   *Final       `json:"final,omitempty"` // nil if no value was kept
}

// tried returns whether a value was measured beside these settings already.
func (r *Report) tried(best settings, flag, value string) bool {
	for _, t := range r.Trials {
		if t.Flag == flag && t.Value == value && t.Beside == best.String() {
			return true
		}
	}
	return false
}

// WriteJSON implements bench.Report.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteTable implements bench.Report.
func (r *Report) WriteTable(w io.Writer) error {
	o := &r.Options
	b := &o.Bench
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "tune: %s, %d connections x %d channels; figures are %s\n",
		b.Mode, b.Conns, b.Channels, o.Goal.unit(b.Mode))
	fmt.Fprintf(t, "%d rounds of %v; each value beside the best so far in turn, kept if p < %v\n",
		r.Rounds, b.Duration.Round(time.Millisecond), chance)
	fmt.Fprintln(t, "flag\tbeside\tthe best so far\twith it\tgain\tp\tpairs\t")
	for _, x := range r.Trials {
		if x.Verdict == NoTime && x.Pairs == 0 {
			continue
		}
		beside := x.Beside
		if beside == "" {
			beside = "the defaults"
		}
		fmt.Fprintf(t, "--%s=%s\t%s\t", x.Flag, x.Value, beside)
		if x.Pairs == 0 && x.Verdict == Failed {
			fmt.Fprintf(t, "\t\t\t\t0\t%s %s\n", x.Verdict, x.Note)
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%+.1f %%\t%.2g\t%d\t%s %s\n", figure(x.Base.Median), figure(x.New.Median),
			100*x.Gain, x.P, x.Pairs, x.Verdict, x.Note)
	}
	fmt.Fprintln(t)
	r.conclude(t)
	return t.Flush()
}

// conclude writes what follows from the trials.
func (r *Report) conclude(w io.Writer) {
	var late []string
	for _, x := range r.Trials {
		if x.Verdict == NoTime {
			late = append(late, x.Flag+"="+x.Value)
		}
	}
	if len(late) > 0 {
		fmt.Fprintf(w, "a larger --budget has time for these as well: %s\n", strings.Join(late, " "))
	}
	f := r.Final
	switch {
	case f == nil:
		fmt.Fprintf(w, "nothing beats the defaults; their rounds differ by %.1f %%: %s (%s to %s)\n",
			100*(r.Base.High-r.Base.Low)/max(r.Base.Median, 1e-9),
			figure(r.Base.Median), figure(r.Base.Low), figure(r.Base.High))
	case !f.Holds:
		fmt.Fprintf(w, "nothing beats the defaults: %s did at first, but when it was measured again the gain was\n"+
			"%+.1f %% (%+.1f to %+.1f by round), p = %.2g\n",
			f.Flags, 100*f.Gain, 100*f.Gains.Low, 100*f.Gains.High, f.P)
	default:
		fmt.Fprintf(w, "sscd serve %s\n%+.1f %% (%+.1f to %+.1f by round), %s beside %s; p = %.2g\n",
			f.Flags, 100*f.Gain, 100*f.Gains.Low, 100*f.Gains.High, figure(f.Best.Median), figure(f.Base.Median), f.P)
	}
}

// figure writes one with four digits or so.
func figure(v float64) string {
	if v >= 1e4 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.4g", v)
}
