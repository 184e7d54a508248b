// Package flags is what the commands' flags have in common.
package flags

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"

	"github.com/sscd-io/sscd/engine"
)

// UsageError is a mistake in the command line. Commands exit with 2 for it.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the mistake.
func (e UsageError) Unwrap() error { return e.Err }

// Usage returns a UsageError.
func Usage(format string, args ...any) error { return UsageError{Err: fmt.Errorf(format, args...)} }

// Socket adds the flags that tune sockets.
func Socket(f *flag.FlagSet, s *engine.SocketConfig) {
	const zero = "; 0 means the system's default"
	f.IntVar(&s.ReadBuffer, "rcvbuf", 0, "SO_RCVBUF in `bytes`"+zero)
	f.IntVar(&s.WriteBuffer, "sndbuf", 0, "SO_SNDBUF in `bytes`"+zero)
	f.IntVar(&s.NotSentLowat, "notsent-lowat", 0, "TCP_NOTSENT_LOWAT in `bytes`"+zero)
	f.DurationVar(&s.UserTimeout, "user-timeout", 0, "TCP_USER_TIMEOUT"+zero)
	f.BoolVar(&s.QuickAck, "quickack", false, "TCP_QUICKACK")
	f.BoolFunc("nodelay", "TCP_NODELAY; --nodelay=false leaves Nagle's algorithm on (default true)",
		func(v string) error {
			on, err := strconv.ParseBool(v)
			s.Nagle = !on
			return err
		})
}

// Parse parses the flags of a command and returns its other arguments. Asked for help, it prints that
// and returns flag.ErrHelp; any other error is a UsageError.
func Parse(f *flag.FlagSet, args []string, stderr io.Writer) ([]string, error) {
	f.Init(f.Name(), flag.ContinueOnError)
	f.SetOutput(io.Discard) // the package prints errors, and the whole usage behind each
	err := f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(stderr, "usage of %s:\n", f.Name())
		f.SetOutput(stderr)
		f.PrintDefaults()
		return nil, err
	}
	if err != nil {
		return nil, UsageError{Err: err}
	}
	return f.Args(), nil
}
