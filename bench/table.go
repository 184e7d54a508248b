package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/valyala/bytebufferpool"
)

// Report is what a measurement found.
type Report interface {
	// WriteJSON writes it as JSON.
	WriteJSON(w io.Writer) error
	// WriteTable writes it for people.
	WriteTable(w io.Writer) error
	// Measured returns it as rows of Results. variant tells them apart from other measurements' of the mode: a
	// backend; what tells them apart from each other is added.
	Measured(variant string) []Row
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// writeTable writes rows, whose columns end in tabs, in one piece.
func writeTable(w io.Writer, rows func(t io.Writer)) error {
	b := bytebufferpool.Get()
	defer bytebufferpool.Put(b)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	rows(t)
	t.Flush() // into memory
	_, err := w.Write(b.B)
	return err
}

// Spread is the median of some figures, the lowest and the highest.
type Spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

// SpreadOf needs at least one figure.
func SpreadOf(figures []float64) Spread {
	s := slices.Sorted(slices.Values(figures))
	return Spread{Median: s[(len(s)-1)/2]/2 + s[len(s)/2]/2, Low: s[0], High: s[len(s)-1]}
}

// Text is the spread with so many decimals.
func (s Spread) Text(decimals int) string {
	return fmt.Sprintf("%.*f (%.*f to %.*f)", decimals, s.Median, decimals, s.Low, decimals, s.High)
}

func known(v float64) string {
	if v == 0 {
		return "unknown"
	}
	return fmt.Sprintf("%.3f", v)
}

func round(d time.Duration) time.Duration { return d.Round(time.Microsecond) }
