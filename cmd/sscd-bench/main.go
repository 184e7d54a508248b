// Command sscd-bench measures a server of channels. Without arguments it starts one of its own and
// measures the echo of short messages over one connection. Its first argument may name a command: suite measures
// the standard matrix, report makes a page of what was measured, compare tells which of two is better; --help lists
// them all.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/bench/claims"
	"github.com/sscd-io/sscd/cmd/internal/flags"
)

// usage is what sscd-bench says about itself.
const usage = `sscd-bench [flags]
       sscd-bench COMMAND [flags]
measures a server in one of twelve modes, in a process of its own unless --addr says where there is one; without flags
the echo of short messages over one connection.`

func main() {
	if process := claims.Process(os.Args[1:]); process != nil {
		// The signal that ends the client, typed at a terminal, comes here too; the end of input follows.
		signal.Ignore(os.Interrupt)
		if err := process(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "sscd-bench:", os.Args[1]+":", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	command, args := choose(os.Args[1:])
	err := command(ctx, args, os.Stdout, os.Stderr)
	stop()
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "sscd-bench:", err)
	if errors.As(err, new(flags.UsageError)) {
		os.Exit(2)
	}
	os.Exit(1)
}

// run is sscd-bench without a process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		commandHelp(stdout)
	}
	if err != nil {
		return err
	}
	all := bench.NewResults(append([]string{"sscd-bench"}, args...))
	res, err := measured(stderr, o.json, func(p bench.Program, progress bench.Progress) (bench.Report, error) {
		return o.measure(ctx, p, progress)
	})
	if err != nil {
		return err
	}
	all.Join(res.Measured(string(o.server.Backend))...)
	all.Detail = res
	return write(all, res, o.json, stdout)
}

// measured measures, if the result can be written, with this program as the other processes, and a bar that tells how
// far that is.
func measured[T any](
	stderr io.Writer, jsonFile string, measure func(bench.Program, bench.Progress) (T, error),
) (res T, err error) {
	if err := bench.Writable(jsonFile); err != nil {
		return res, err
	}
	exe, err := os.Executable()
	if err != nil {
		return res, err
	}
	progress, done := progressLine(stderr)
	defer done()
	return measure(bench.Program(exe), progress)
}

// measure does what the options say.
func (o *options) measure(ctx context.Context, p bench.Program, progress bench.Progress) (bench.Report, error) {
	if slices.Contains(bench.Comparisons, o.Mode) {
		return bench.Compare(ctx, o.Options, o.server, p, progress)
	}
	var own *bench.Server
	if o.Addr == "" {
		var err error
		if own, err = p.StartServer(ctx, o.server); err != nil {
			return nil, err
		}
		defer own.Stop()
		o.Addr = own.Addr
	}
	return bench.Run(ctx, o.Options, own, progress)
}

// jsonWriter writes itself as JSON, tableWriter for people.
type (
	jsonWriter  interface{ WriteJSON(w io.Writer) error }
	tableWriter interface{ WriteTable(w io.Writer) error }
)

// write writes the result where it is wanted: data into a file, or to standard output if that is "-", else the table.
func write(data jsonWriter, table tableWriter, jsonFile string, stdout io.Writer) error {
	if jsonFile == "-" {
		return data.WriteJSON(stdout)
	}
	if jsonFile != "" {
		f, err := os.Create(jsonFile)
		if err != nil {
			return err
		}
		if err := errors.Join(data.WriteJSON(f), f.Close()); err != nil {
			return err
		}
	}
	return table.WriteTable(stdout)
}
