package report

import (
	"math"
	"strings"

	"github.com/sscd-io/sscd/bench"
)

// Chart is a picture of some figures: either lines or bars.
type Chart struct {
	Name  string // of its file
	Title string
	Note  string // what one should know to read it
	X, Y  Axis   // bars have Y only by names
	Lines []Line
	Bars  []Bar
}

// Axis is what is along an axis.
type Axis struct {
	Label string // with the unit
	Log   bool
	Names []string // instead of numbers: of 0, 1, 2
}

// Line is what belongs together, from left to right.
type Line struct {
	Name   string
	Points []Point
	Theirs bool // somebody else's: drawn thinner
}

// Point is a median with the lowest and the highest figure.
type Point struct {
	X, Y      float64
	Low, High float64
}

// Bar is a figure of something.
type Bar struct {
	Name string
	bench.Spread
	Ours bool
}

// Bounds of what is drawn; what is beyond is left out.
const (
	maxDrawn = 1e15 // figures
	minDrawn = 1e-9
	maxBars  = 40 // of a chart
	maxLines = 16 // of a chart
	maxName  = 48 // characters
)

// drawn tells whether a figure can be drawn on a logarithmic axis, as any may be.
func drawn(v float64) bool { return v >= minDrawn && v <= maxDrawn }

// can tells whether a spread can be drawn.
func can(s bench.Spread) bool { return drawn(s.Median) && drawn(s.Low) && drawn(s.High) }

// short makes names printable and not too long.
func short(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xFFFD {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(name, "?"))
	if r := []rune(name); len(r) > maxName {
		name = string(r[:maxName-1]) + "…"
	}
	return name
}

// span returns the lowest and the highest of what is drawn of bars.
func span(bars []Bar) (low, high float64) {
	low, high = math.Inf(1), 0
	for _, b := range bars {
		low, high = min(low, b.Low), max(high, b.High)
	}
	return low, high
}

// barRatio is how much more the highest bar may be than the lowest; beyond it dots on a logarithmic axis take over,
// since short bars could not be told apart.
const barRatio = 40

// newBars makes a chart of bars; nil if there are less than two.
func newBars(name, title, label, note string, bars []Bar) *Chart {
	if len(bars) < 2 {
		return nil
	}
	bars = bars[:min(len(bars), maxBars)]
	low, high := span(bars)
	return &Chart{
		Name: name, Title: title, Note: note, Bars: bars, X: Axis{Label: label, Log: high > barRatio*low},
	}
}
