// Package flags is what the commands' flags have in common.
package flags

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
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

// New returns the flags of a command. Its usage is how it is called, and in the lines that follow what it does.
func New(usage string) *flag.FlagSet {
	f := flag.NewFlagSet(usage, flag.ContinueOnError)
	f.SetOutput(io.Discard) // the package prints errors, and the whole usage behind each
	return f
}

// Socket adds the flags that tune sockets.
func Socket(f *flag.FlagSet, s *engine.SocketConfig) {
	const zero = "; 0 means the system's default"
	f.IntVar(&s.ReadBuffer, "rcvbuf", 0, "SO_RCVBUF in `bytes`"+zero)
	f.IntVar(&s.WriteBuffer, "sndbuf", 0, "SO_SNDBUF in `bytes`"+zero)
	f.IntVar(&s.NotSentLowat, "notsent-lowat", 0, "TCP_NOTSENT_LOWAT in `bytes`, waiting in the kernel; 0 means 65,536")
	f.DurationVar(&s.UserTimeout, "user-timeout", 0, "TCP_USER_TIMEOUT"+zero)
	f.BoolVar(&s.QuickAck, "quickack", false, "TCP_QUICKACK")
	boolFunc(f, "nodelay", "TCP_NODELAY; --nodelay=false leaves Nagle's algorithm on (default true)",
		func(on bool) { s.Nagle = !on })
}

// boolFunc adds a flag that is true or false, and calls set with what it is.
func boolFunc(f *flag.FlagSet, name, usage string, set func(on bool)) {
	f.BoolFunc(name, usage, func(v string) error {
		on, err := strconv.ParseBool(v)
		if err != nil {
			return errors.New("it is neither true nor false")
		}
		set(on)
		return nil
	})
}

// Limits adds the flags that bound what a server gives its peers, and those of the protocol.
func Limits(f *flag.FlagSet, c *engine.Config) {
	f.IntVar(&c.MaxConns, "max-conns", 0, "connections; 0 means what the limit of descriptors allows")
	f.DurationVar(&c.Timeouts.Idle, "idle", 0, "end connections that had no channels for so long; 0 means never")
	f.Int64Var(&c.Memory, "memory", 0, "`bytes` that all connections together may hold; 0 means 1 GiB")
	f.Int64Var(&c.ConnMemory, "conn-memory", 0, "`bytes` that one connection may hold; 0 means 64 MiB")
	f.IntVar(&c.MaxWindow, "max-window", 0, "`bytes` to which the window of a channel may grow; 0 means 16 MiB")
	f.IntVar(&c.ConnWindow, "conn-window", 0,
		"`bytes` that may be under way to this side on a connection at its start; 0 means 512 KiB")
	f.IntVar(&c.FrameSize, "frame-size", 0,
		"`bytes` of the longest payload sent; 0 means 16,384, of files up to 245,760")
	boolFunc(f, "base", "speak the base profile only", func(on bool) {
		if c.Profile = engine.Negotiate; on {
			c.Profile = engine.BaseOnly
		}
	})
	f.BoolVar(&c.StrictPriority, "strict", false,
		"send data of lower priorities only while there is none of higher ones")
	f.BoolVar(&c.Compression, "compress", false, "offer compression to peers, and use theirs")
}

// Credentials adds the flag for a file with credentials.
func Credentials(f *flag.FlagSet) (file *string) {
	return f.String("credentials-file", "", "`file` with the credentials that clients need: one secret")
}

// ReadCredentials reads a file of Credentials; nil if there is none. A newline at its end does not count.
func ReadCredentials(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the credentials: %w", err)
	}
	if b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r")); len(b) == 0 {
		return nil, fmt.Errorf("reading the credentials: %s is empty", file)
	}
	if len(b) > maxCredentials {
		return nil, fmt.Errorf("reading the credentials: %s has %d bytes, not at most %d", file, len(b), maxCredentials)
	}
	return b, nil
}

// maxCredentials is what clients can send, in bytes (SPEC section 3).
const maxCredentials = 1024

// ParseMixed is Parse for commands whose flags may stand behind their arguments, too.
func ParseMixed(f *flag.FlagSet, args []string, stdout io.Writer) (rest []string, err error) {
	for {
		left, err := Parse(f, args, stdout)
		if err != nil || len(left) == 0 {
			return rest, err
		}
		if ended := len(args) - len(left); ended > 0 && args[ended-1] == "--" {
			return append(rest, left...), nil
		}
		rest, args = append(rest, left[0]), left[1:]
	}
}

// Parse parses the flags of a command, as New made them, and returns its other arguments. Asked for help, it prints
// that and returns flag.ErrHelp; any other error is a UsageError.
func Parse(f *flag.FlagSet, args []string, stdout io.Writer) ([]string, error) {
	err := f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(stdout, "usage: %s\n\n", f.Name())
		f.SetOutput(stdout)
		f.PrintDefaults()
		return nil, err
	}
	if err != nil {
		return nil, UsageError{Err: err}
	}
	return f.Args(), nil
}
