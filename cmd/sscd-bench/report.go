package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sscd-io/sscd/bench/report"
	"github.com/sscd-io/sscd/cmd/internal/flags"
)

// reportUsage is what it says about itself.
const reportUsage = `sscd-bench report [flags] FILE...
makes a page, plots and tables of results`

// runReport is the command report.
func runReport(_ context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags.New(reportUsage)
	html := f.String("o", "", "`file` for the page; report.html if nothing else is wanted; - means standard output")
	svgs := f.String("svg", "", "`directory` for the plots, each an SVG file")
	markdown := f.String("markdown", "", "`file` for the tables; - means standard output")
	files, err := flags.ParseMixed(f, args, stdout)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return flags.Usage("report takes files of results, as suite, --json and bench/peers write them")
	}
	if *html == "" && *svgs == "" && *markdown == "" {
		*html = "report.html"
	}
	sources, err := report.Read(files)
	if err != nil {
		return err
	}
	r := report.New(sources)
	if *html != "" {
		err = toFile(*html, stdout, stderr, r.WriteHTML)
	}
	if err == nil && *svgs != "" {
		var written []string
		written, err = r.WriteSVGs(*svgs)
		for _, file := range written {
			fmt.Fprintln(stderr, file)
		}
	}
	if err == nil && *markdown != "" {
		err = toFile(*markdown, stdout, stderr, r.WriteMarkdown)
	}
	return err
}

// toFile writes to a file and tells its name, or to standard output.
func toFile(name string, stdout, stderr io.Writer, write func(io.Writer) error) error {
	if name == "-" {
		return write(stdout)
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return err
	}
	fmt.Fprintln(stderr, name)
	return nil
}
