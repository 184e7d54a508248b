package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/bench/suite"
	"github.com/sscd-io/sscd/cmd/internal/flags"
)

// suiteUsage is what it says about itself.
const suiteUsage = `sscd-bench suite [flags]
measures all that matters, in turn, into one file of results: ten minutes, with --quick one`

// runSuite is the command suite.
func runSuite(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags.New(suiteUsage)
	out := f.String("out", ".", "directory of the results, or their `file`, which ends in .json; made if need be")
	only := f.String("only", "", "`names` of measurements or modes, by comma; empty means all:\n"+
		wrapped(suite.Names(), 90))
	quick := f.Bool("quick", false, "2 rounds of 300ms, without a million channels: to try it out, not to cite")
	standard := suite.Defaults(false)
	rounds := f.Int("rounds", standard.Rounds, "of everything, in turn")
	duration := f.Duration("duration", standard.Duration, "of what is measured in a round")
	warmup := f.Duration("warmup", standard.Warmup, "before it")
	rest, err := flags.Parse(f, args, stdout)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return flags.Usage("suite takes no arguments, not %q", rest[0])
	}
	o := suite.Defaults(*quick)
	f.Visit(func(given *flag.Flag) {
		switch given.Name {
		case "rounds":
			o.Rounds = *rounds
		case "duration":
			o.Duration = *duration
		case "warmup":
			o.Warmup = *warmup
		}
	})
	if *only != "" {
		o.Only = strings.Split(*only, ",")
	}
	if err := o.Check(); err != nil {
		return flags.UsageError{Err: err}
	}
	return measureSuite(ctx, o, args, *out, stdout, stderr)
}

// measureSuite measures and writes the results.
func measureSuite(ctx context.Context, o suite.Options, args []string, out string, stdout, stderr io.Writer) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	results := bench.NewResults(append([]string{"sscd-bench", "suite"}, args...))
	file := out
	if filepath.Ext(out) != ".json" {
		file = filepath.Join(out, "suite-"+results.When.Format("2006-01-02T150405Z")+".json")
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	if err := results.WriteFile(file); err != nil { // now, not in ten minutes
		return err
	}
	progress, done := suiteLine(stderr)
	err = suite.Run(ctx, o, bench.Program(exe), results, progress, func() error { return results.WriteFile(file) })
	done()
	for _, note := range results.Notes {
		fmt.Fprintln(stderr, note)
	}
	if err != nil && len(results.Rows) == 0 {
		return errors.Join(err, os.Remove(file))
	}
	fmt.Fprintf(stdout, "%s: %d rows\nsscd-bench report %s makes a page of it\n", file, len(results.Rows), file)
	return err
}

// wrapped joins words to lines of about so many columns.
func wrapped(words []string, columns int) string {
	var b strings.Builder
	n := 0
	for _, w := range words {
		switch {
		case n == 0:
		case n+len(w) > columns:
			b.WriteByte('\n')
			n = 0
		default:
			b.WriteByte(' ')
		}
		b.WriteString(w)
		n += len(w) + 1
	}
	return b.String()
}
