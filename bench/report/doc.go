// Package report makes of results a page, pictures and tables: one HTML file that needs nothing else, the same plots
// as SVG, and the tables as Markdown.
//
// Start reading at [New]: it joins the results and finds out which charts they have the figures for (charts.go).
// A [Chart] is what is to be seen; draw.go and bars.go have gonum.org/v1/plot draw it; theme.go gives it its
// colours, which are those of the page, light or dark.
package report
