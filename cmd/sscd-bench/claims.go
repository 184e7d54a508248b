package main

import (
	"context"
	"io"
	"strings"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/bench/claims"
	"github.com/sscd-io/sscd/cmd/internal/flags"
)

// claimsUsage is what it says about itself.
const claimsUsage = `sscd-bench claims [flags]
measures what the Single-Socket Channel pattern promises, beside a connection per conversation`

// claim is sscd-bench claims.
func claim(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags.New(claimsUsage)
	o := claims.Defaults()
	f.IntVar(&o.Conversations, "conversations", o.Conversations,
		"channels of our one connection, and connections of the other")
	f.IntVar(&o.Rounds, "rounds", o.Rounds, "of each side, in turn; 5 of claim zerocopy, whatever is said")
	f.DurationVar(&o.Duration, "duration", o.Duration, "of each measurement that takes time")
	f.Int64Var(&o.FileBytes, "file-bytes", o.FileBytes, "claim zerocopy: how long the file is, in `bytes`")
	only := f.String("only", "", "`names`, by comma, of "+strings.Join(claims.Names(), ", ")+"; empty means all")
	jsonFile := f.String("json", "", "`file` for the result as well; - means standard output, and no table")
	rest, err := flags.Parse(f, args, stdout)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return flags.Usage("claims takes no arguments, not %q", rest[0])
	}
	if *only != "" {
		o.Only = strings.Split(*only, ",")
	}
	if err := o.Check(); err != nil {
		return flags.UsageError{Err: err}
	}
	res, err := measured(stderr, *jsonFile, func(p bench.Program, progress bench.Progress) (*claims.Report, error) {
		return claims.Measure(ctx, o, p, progress)
	})
	if err != nil {
		return err
	}
	return write(res, res, *jsonFile, stdout)
}
