package report

import (
	"bytes"
	"errors"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/sscd-io/sscd/bench"
)

// Sizes, in points.
const (
	chartWidth  = 520
	lineHeight  = 290
	barHeight   = 19 // of each bar
	barsBesides = 52 // axis
	legendRow   = 16
	textSize    = 9.5
	margin      = 6
)

// SVG draws the chart: to stand alone, or as a part of the page.
func (c *Chart) SVG(alone bool) (string, error) {
	p := plot.New()
	p.BackgroundColor = color.Transparent
	height, legend := vg.Length(lineHeight), 0
	var err error
	if len(c.Bars) > 0 {
		height = vg.Length(len(c.Bars)*barHeight + barsBesides)
		c.drawBars(p)
	} else {
		legend = c.legendRows()
		height += vg.Length(legend * legendRow)
		err = c.drawLines(p)
	}
	if err != nil {
		return "", err
	}
	canvas := vgsvg.NewWith(vgsvg.UseWH(chartWidth, height))
	whole := draw.New(canvas)
	p.Draw(draw.Crop(whole, margin, -margin, margin, -margin-vg.Length(legend*legendRow)))
	if legend > 0 {
		c.drawLegend(whole)
	}
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return "", err
	}
	return themed(b.String(), c.Title, alone), nil
}

// lettering is how texts are set.
func lettering(c color.Color) text.Style {
	return text.Style{
		Color: c, Handler: plot.DefaultTextHandler,
		Font:   font.Font{Typeface: "Liberation", Variant: "Sans", Size: textSize},
		XAlign: text.XLeft, YAlign: text.YCenter,
	}
}

// style gives an axis its looks.
func (a Axis) style(p *plot.Axis, low, high float64) {
	p.Label.Text = a.Label
	aligned := func(have text.Style, c color.Color) text.Style {
		s := lettering(c)
		s.XAlign, s.YAlign, s.Rotation = have.XAlign, have.YAlign, have.Rotation
		return s
	}
	p.Label.TextStyle = aligned(p.Label.TextStyle, muted)
	p.Tick.Label = aligned(p.Tick.Label, ink)
	p.LineStyle.Color, p.LineStyle.Width = muted, 0.6
	p.Tick.LineStyle.Color, p.Tick.LineStyle.Width, p.Tick.Length = muted, 0.6, 4
	p.Padding, p.Label.Padding = 0, 4
	switch {
	case a.Names != nil:
		var ticks []plot.Tick
		for i, name := range a.Names {
			ticks = append(ticks, plot.Tick{Value: float64(i), Label: name})
		}
		p.Tick.Marker = plot.ConstantTicks(ticks)
		p.Min, p.Max = -0.25, float64(len(a.Names))-0.75
	case a.Log:
		p.Scale = plot.LogScale{}
		p.Min, p.Max = logBounds(low, high)
		p.Tick.Marker = plot.ConstantTicks(logTicks(p.Min, p.Max))
	default:
		p.Min, p.Max = 0, high*1.05
		p.Tick.Marker = plot.ConstantTicks(evenTicks(p.Max))
	}
}

// drawLines draws lines with dots at the medians, and whiskers from the lowest to the highest figures.
func (c *Chart) drawLines(p *plot.Plot) error {
	lowX, highX, lowY, highY := math.Inf(1), 0.0, math.Inf(1), 0.0
	for _, l := range c.Lines {
		for _, at := range l.Points {
			lowX, highX, lowY, highY = min(lowX, at.X), max(highX, at.X), min(lowY, at.Low), max(highY, at.High)
		}
	}
	if math.IsInf(lowX, 1) {
		return errors.New("a chart without points")
	}
	g := plotter.NewGrid()
	g.Vertical.Color, g.Horizontal.Color = color.Transparent, grid
	g.Vertical.Width, g.Horizontal.Width = 0, 0.6
	p.Add(g)
	for i, l := range c.Lines {
		points := whiskers(l.Points)
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return err
		}
		line.LineStyle = l.style(i)
		dots.GlyphStyle = glyph(i)
		bars, err := plotter.NewYErrorBars(points)
		if err != nil {
			return err
		}
		bars.LineStyle.Color, bars.LineStyle.Width, bars.CapWidth = series(i), 0.8, 5
		p.Add(line, bars, dots)
	}
	c.X.style(&p.X, lowX, highX)
	c.Y.style(&p.Y, lowY, highY)
	return nil
}

// whiskers are points as plotter wants them.
type whiskers []Point

// Len implements plotter.XYer.
func (w whiskers) Len() int { return len(w) }

// XY implements plotter.XYer.
func (w whiskers) XY(i int) (x, y float64) { return w[i].X, w[i].Y }

// YError implements plotter.YErrorer; lows are told as negative differences.
func (w whiskers) YError(i int) (low, high float64) { return w[i].Low - w[i].Y, w[i].High - w[i].Y }

// style and glyph tell lines apart, also without colours.
func (l *Line) style(i int) draw.LineStyle {
	width := vg.Length(2)
	if l.Theirs {
		width = 1.1
	}
	dashes := [][]vg.Length{nil, {6, 2}, {2, 2}, {8, 2, 2, 2}}
	return draw.LineStyle{Color: series(i), Width: width, Dashes: dashes[(i+i/colours)%len(dashes)]}
}

func glyph(i int) draw.GlyphStyle {
	shapes := []draw.GlyphDrawer{
		draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.RingGlyph{}, draw.SquareGlyph{},
		draw.TriangleGlyph{},
	}
	return draw.GlyphStyle{Color: series(i), Radius: 2.8, Shape: shapes[i%len(shapes)]}
}

// legendItem is how wide a line's name is, with its sample.
func legendItem(name string) vg.Length { return lettering(ink).Width(name) + 44 }

// legendRows is how many rows the legend has.
func (c *Chart) legendRows() int {
	rows, x := 1, vg.Length(margin)
	for i, l := range c.Lines {
		if w := legendItem(l.Name); i > 0 && x+w > chartWidth {
			rows, x = rows+1, margin+w
		} else {
			x += w
		}
	}
	return rows
}

// drawLegend draws the names of the lines above the plot.
func (c *Chart) drawLegend(whole draw.Canvas) {
	x, y := whole.Min.X+margin, whole.Max.Y-legendRow/2-2
	for i, l := range c.Lines {
		w := legendItem(l.Name)
		if i > 0 && x+w > whole.Min.X+chartWidth {
			x, y = whole.Min.X+margin, y-legendRow
		}
		whole.StrokeLine2(l.style(i), x, y, x+22, y)
		whole.DrawGlyph(glyph(i), vg.Point{X: x + 11, Y: y})
		whole.FillText(lettering(ink), vg.Point{X: x + 27, Y: y}, l.Name)
		x += w
	}
}

// logBounds are where a logarithmic axis begins and ends: at 1, 2 or 5 of a decade.
func logBounds(low, high float64) (from, to float64) {
	from, to = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))
	for _, step := range []float64{5, 2} {
		if from*step <= low {
			from *= step
			break
		}
	}
	for _, step := range []float64{2, 5} {
		if to/10*step >= high {
			to = to / 10 * step
			break
		}
	}
	if to <= from {
		to = from * 10
	}
	return from, to
}

// logTicks are the powers of ten, and 2 and 5 between them where there is room.
func logTicks(from, to float64) (ticks []plot.Tick) {
	steps := []float64{1, 2, 5}
	if to/from > 500 {
		steps = steps[:1]
	}
	for decade := math.Floor(math.Log10(from) + 1e-9); decade <= math.Ceil(math.Log10(to)); decade++ {
		for _, step := range steps {
			if v := step * math.Pow(10, decade); v >= from*0.999 && v <= to*1.001 {
				ticks = append(ticks, plot.Tick{Value: min(max(v, from), to), Label: tickLabel(v)})
			}
		}
	}
	return ticks
}

// evenTicks are three to seven ticks from 0 on, at multiples of 1, 2 or 5.
func evenTicks(to float64) (ticks []plot.Tick) {
	step := math.Pow(10, math.Floor(math.Log10(to/5)))
	for _, by := range []float64{10, 5, 2} {
		if to/(step*by) >= 3 {
			step *= by
			break
		}
	}
	for i := 0; float64(i)*step <= to && i < 50; i++ {
		ticks = append(ticks, plot.Tick{Value: float64(i) * step, Label: tickLabel(float64(i) * step)})
	}
	return ticks
}

// tickLabel is a round number in few characters.
func tickLabel(v float64) string {
	for _, u := range []struct {
		by   float64
		unit string
	}{{1e9, " G"}, {1e6, " M"}} {
		if v >= u.by*0.999 {
			return trimmed(v/u.by) + u.unit
		}
	}
	if v >= 1000 {
		return bench.Thousands(int(math.Round(v)))
	}
	return trimmed(v)
}
