package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/sscd-io/sscd/bench"
)

// trimmed writes a number with four digits that count at most.
func trimmed(v float64) string {
	s := fmt.Sprintf("%.4g", v)
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return s
}

// drawBars draws the bars from top to bottom.
func (c *Chart) drawBars(p *plot.Plot) {
	upward := slices.Clone(c.Bars)
	slices.Reverse(upward)
	var names []string
	for _, b := range upward {
		names = append(names, b.Name)
	}
	p.Add(barPlot{upward, c.X.Log})
	low, high := span(c.Bars)
	low *= 0.85 // dots do not touch their names
	c.X.style(&p.X, low, high)
	Axis{Names: names}.style(&p.Y, 0, 0)
	p.Y.Min, p.Y.Max = -0.6, float64(len(names))-0.4
	p.Y.Tick.Length, p.Y.LineStyle.Width = 0, 0
	c.makeRoom(p, names)
}

// makeRoom lengthens the axis of figures, so that they fit behind their bars.
func (c *Chart) makeRoom(p *plot.Plot, names []string) {
	width := vg.Length(chartWidth - 3*margin)
	widest := vg.Length(0)
	for _, name := range names {
		widest = max(widest, lettering(ink).Width(name))
	}
	by := float64(width-widest) / float64(width-widest-figureSpace)
	if by < 1 || by > 3 {
		by = 3 // names that leave no room
	}
	if c.X.Log {
		p.X.Max = p.X.Min * math.Pow(p.X.Max/p.X.Min, by)
		return
	}
	p.X.Max *= by
}

// barPlot is bars with whiskers, and the figures behind them; on a logarithmic axis, which has no 0 for bars to begin
// at, dots.
type barPlot struct {
	bars []Bar // from the bottom up
	dots bool
}

// Space that figures behind bars need, in points.
const figureSpace = 52

// Plot implements plot.Plotter.
func (b barPlot) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	gridLine := draw.LineStyle{Color: grid, Width: 0.6}
	for _, tick := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		c.StrokeLine2(gridLine, x(tick.Value), c.Min.Y, x(tick.Value), c.Max.Y)
	}
	for i, bar := range b.bars {
		colour := peerColour
		if bar.Ours {
			colour = ourColour
		}
		at, mid := x(bar.Median), y(float64(i))
		half := vg.Length(barHeight) * 0.34
		if b.dots {
			c.StrokeLine2(gridLine, c.Min.X, mid, at, mid)
			dot := draw.GlyphStyle{Color: colour, Radius: 4.5, Shape: draw.CircleGlyph{}}
			c.DrawGlyphNoClip(dot, vg.Point{X: at, Y: mid})
		} else {
			low, high := mid-half, mid+half
			c.FillPolygon(colour, []vg.Point{{X: x(0), Y: low}, {X: at, Y: low}, {X: at, Y: high}, {X: x(0), Y: high}})
		}
		end := max(x(bar.High), at+5)
		if bar.Low != bar.High {
			c.StrokeLine2(draw.LineStyle{Color: ink, Width: 1}, x(bar.Low), mid, x(bar.High), mid)
		}
		c.FillText(lettering(ink), vg.Point{X: end + 5, Y: mid}, bench.Digits(bar.Median))
	}
}

// DataRange implements plot.DataRanger; the axes are set besides.
func (b barPlot) DataRange() (xmin, xmax, ymin, ymax float64) {
	low, high := span(b.bars)
	return low, high, 0, float64(len(b.bars) - 1)
}
