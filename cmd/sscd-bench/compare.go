package main

import (
	"context"
	"fmt"
	"io"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/bench/compare"
	"github.com/sscd-io/sscd/cmd/internal/flags"
)

// compareUsage is what it says about itself.
const compareUsage = `sscd-bench compare [flags] OLD NEW
tells what is significantly better or worse in one file of results than in another
Exit status 1 says that something is worse, or that a file could not be read.`

// runCompare is the command compare.
func runCompare(_ context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags.New(compareUsage)
	o := compare.Defaults()
	threshold := f.Float64("threshold", 100*o.Threshold, "`percent` by which a median must be worse for exit status 1")
	f.Float64Var(&o.Alpha, "alpha", o.Alpha, "differences that chance makes as often as this do not count")
	asJSON := f.Bool("json", false, "write JSON")
	asBenchfmt := f.Bool("benchfmt", false, "write the figures for benchstat: of one file, or of two for\n"+
		"benchstat -col results")
	files, err := flags.ParseMixed(f, args, stdout)
	if err != nil {
		return err
	}
	o.Threshold = *threshold / 100
	if err := o.Check(); err != nil {
		return flags.UsageError{Err: err}
	}
	if n := len(files); n != 2 && !(n == 1 && *asBenchfmt) {
		return flags.Usage("compare takes two files of results, the old and the new one")
	}
	if *asJSON && *asBenchfmt {
		return flags.Usage("compare writes --json or --benchfmt, not both")
	}
	var results []*bench.Results
	for _, file := range files {
		r, err := bench.ReadResults(file)
		if err != nil {
			return err
		}
		results = append(results, r)
	}
	if *asBenchfmt {
		return writeBenchfmt(stdout, files, results)
	}
	c, err := compare.Compare(results[0], results[1], o)
	if err != nil {
		return fmt.Errorf("%s and %s: %w", files[0], files[1], err)
	}
	for _, warning := range c.Warnings {
		fmt.Fprintln(stderr, warning)
	}
	if *asJSON {
		err = c.WriteJSON(stdout)
	} else {
		err = c.WriteTable(stdout, files[0], files[1])
	}
	if n := c.Count(compare.Worse); err == nil && n > 0 {
		return fmt.Errorf("%d figures are significantly worse by more than %g %%", n, *threshold)
	}
	return err
}

// writeBenchfmt writes results for benchstat.
func writeBenchfmt(w io.Writer, files []string, results []*bench.Results) error {
	for i, r := range results {
		label := ""
		if len(results) > 1 {
			label = files[i]
		}
		if err := compare.WriteBenchfmt(w, r, label); err != nil {
			return err
		}
	}
	return nil
}
