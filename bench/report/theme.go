package report

import (
	"fmt"
	"image/color"
	"regexp"
	"strings"
)

// Colours are drawn as numbers that nobody else uses and stand in the SVG as variables of the style sheet.
var (
	ink        = color.RGBA{1, 0, 0, 255}
	muted      = color.RGBA{1, 0, 1, 255}
	grid       = color.RGBA{1, 0, 2, 255}
	ourColour  = series(0)
	peerColour = color.RGBA{1, 0, 3, 255}
)

// colours is how many there are for lines; more lines have other dashes and dots.
const colours = 8

// series is the colour of a line.
func series(i int) color.RGBA { return color.RGBA{1, 1, uint8(i % colours), 255} }

// Variables are the colours, light and dark: Okabe's and Ito's palette, which colour-blind people can tell apart, with
// yellow replaced, that is too light on white.
const (
	lightColours = "--ink:#1c1f24;--muted:#5c6470;--grid:#e3e6ea;--peer:#aab2bd;--paper:#ffffff;" +
		"--s0:#0072b2;--s1:#d55e00;--s2:#009e73;--s3:#cc79a7;--s4:#e69f00;--s5:#56b4e9;--s6:#7a5195;--s7:#5c6470"
	darkColours = "--ink:#e8eaed;--muted:#a3abb8;--grid:#30353c;--peer:#66707d;--paper:#16181c;" +
		"--s0:#56b4e9;--s1:#ff8a3d;--s2:#2fc99a;--s3:#e79ac4;--s4:#f0b93a;--s5:#3d8fd1;--s6:#b08ad6;--s7:#a3abb8"
)

// fonts is what texts are set in; widths are those of Liberation Sans, which is as wide as Arial and Helvetica.
const fonts = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"

var (
	fontFamily = regexp.MustCompile(`font-family:[^;"]*(;font-variant:[^;"]*)?`)
	svgSize    = regexp.MustCompile(`(<svg )width="[^"]*" height="[^"]*"`)
	prolog     = regexp.MustCompile(`(?s)^.*?(<svg )`)
)

// themed gives an SVG its colours, and a title for those who cannot see it. One that stands alone has a
// paper and a style sheet of its own; the other has the page's.
func themed(svg, title string, alone bool) string {
	var pairs []string
	add := func(c color.RGBA, variable string) {
		pairs = append(pairs, fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B), "var(--"+variable+")")
	}
	add(ink, "ink")
	add(muted, "muted")
	add(grid, "grid")
	add(peerColour, "peer")
	for i := range colours {
		add(series(i), fmt.Sprintf("s%d", i))
	}
	// Texts hold no such number: they are escaped, and a colour is looked for in styles only.
	svg = styles.ReplaceAllStringFunc(svg, strings.NewReplacer(pairs...).Replace)
	svg = fontFamily.ReplaceAllString(svg, "font-family:"+fonts)
	svg = prolog.ReplaceAllString(svg, "$1")
	head := "<title>" + escape(title) + "</title>"
	if alone {
		head += "<style>svg{" + lightColours + "}@media(prefers-color-scheme:dark){svg{" + darkColours +
			"}}</style><rect width=\"100%\" height=\"100%\" style=\"fill:var(--paper)\"/>"
	} else {
		svg = svgSize.ReplaceAllString(svg, `${1}role="img"`)
	}
	end := strings.Index(svg, ">") + 1
	return svg[:end] + head + svg[end:]
}

var styles = regexp.MustCompile(`style="[^"]*"`)

// escape escapes a text for XML.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;").Replace(s)
}
