// Command sscd serves channels, and connects to who does.
//
//	sscd serve                          echo, discard and source:N on 127.0.0.1:21331
//	sscd connect 127.0.0.1:21331 echo   standard input and output over one channel
//	sscd get 127.0.0.1:21331 a/b        a file of a server that was given --files
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/sscd-io/sscd/cmd/internal/flags"
)

// usage is what sscd says about itself.
const usage = `usage: sscd serve [flags]
       sscd connect [flags] ADDR [TARGET]
       sscd get [flags] ADDR PATH
       sscd COMMAND --help
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop) // so that a second one ends the process at once
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "sscd:", err)
	if errors.As(err, new(flags.UsageError)) {
		os.Exit(2)
	}
	os.Exit(1)
}

// run is sscd without a process.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return flags.Usage("no command")
	}
	switch args[0] {
	case "serve":
		return serve(ctx, args[1:], stdout, stderr)
	case "connect":
		return connect(ctx, args[1:], stdin, stdout)
	case "get":
		return get(ctx, args[1:], stdout, stderr)
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, usage)
		return nil
	}
	fmt.Fprint(stderr, usage)
	return flags.Usage("no command %q", args[0])
}
