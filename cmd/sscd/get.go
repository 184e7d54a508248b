package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/sscd-io/sscd/cmd/internal/flags"
	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/file"
)

// getWindow is what may be under way of a file from the start, in bytes.
const getWindow = 1 << 20

// get fetches a file.
func get(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("sscd get", flag.ContinueOnError)
	output := f.String("o", "", "write to this `file`; - is standard output; the last part of PATH unless given")
	resume := f.Bool("C", false, "go on behind what the output already has")
	quiet := f.Bool("q", false, "show no progress")
	timeout := f.Duration("timeout", 10*time.Second, "to connect, and to open the channel")
	credentials := flags.Credentials(f)
	rest, err := flags.Parse(f, args, stderr)
	if err != nil {
		return err
	}
	if len(rest) != 2 {
		return flags.Usage("get takes an address and a path")
	}
	if *output == "" {
		*output = path.Base(rest[1])
	}
	if *output == "-" && *resume {
		return flags.Usage("-C goes with a file, not with standard output")
	}
	secret, err := flags.ReadCredentials(*credentials)
	if err != nil {
		return err
	}
	dialing, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	session, err := engine.Dial(dialing, rest[0], engine.Config{Credentials: secret, Window: getWindow})
	if err != nil {
		return err
	}
	defer session.Close()
	stop := context.AfterFunc(ctx, func() { session.Close() })
	defer stop()
	fetch := func(off int64) (io.Reader, int64, error) { return openFile(dialing, session, rest[1], off) }
	if *quiet {
		stderr = io.Discard
	}
	if *output == "-" {
		return fetchInto(stdout, 0, fetch, stderr)
	}
	return fetchFile(*output, *resume, fetch, stderr)
}

// openFile opens a channel for a file from off on, and returns how many bytes come.
func openFile(ctx context.Context, s *engine.Session, name string, off int64) (io.Reader, int64, error) {
	o := engine.OpenOptions{Target: "file:" + name}
	if off > 0 {
		o.Metadata = binary.BigEndian.AppendUint64(nil, uint64(off))
	}
	st, err := s.Open(ctx, o)
	if err != nil {
		return nil, 0, explain(name, err)
	}
	var head [file.HeadSize]byte
	if _, err := io.ReadFull(st, head[:]); err != nil {
		return nil, 0, explain(name, err)
	}
	n := binary.BigEndian.Uint64(head[:])
	if n > math.MaxInt64 {
		return nil, 0, fmt.Errorf("%s: the server says that it has %d bytes", name, n)
	}
	return st, int64(n), nil
}

// explain is err, in words if it is why a file is not sent.
func explain(name string, err error) error {
	var end *engine.ChannelError
	if errors.As(err, &end) && end.Remote {
		switch end.Code {
		case file.NotFound:
			return fmt.Errorf("%s: no such file on the server", name)
		case file.Forbidden:
			return fmt.Errorf("%s: the server does not let it be read", name)
		case file.NotRegular:
			return fmt.Errorf("%s: not a regular file", name)
		case file.BadRange:
			return fmt.Errorf("%s: the server has less of it than is here", name)
		case engine.Refused:
			return fmt.Errorf("%s: the server serves no files", name)
		}
	}
	return fmt.Errorf("%s: %w", name, err)
}

// fetchFile writes a file to the file output. What it had stays until the server has answered.
func fetchFile(
	output string, resume bool, fetch func(off int64) (io.Reader, int64, error), progress io.Writer,
) (err error) {
	var off int64
	if resume {
		switch info, err := os.Stat(output); {
		case err == nil:
			off = info.Size()
		case !errors.Is(err, os.ErrNotExist):
			return err
		}
	}
	w := &lateFile{name: output, flags: os.O_WRONLY | os.O_CREATE | os.O_TRUNC}
	if resume {
		w.flags = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	return fetchInto(w, off, func(off int64) (io.Reader, int64, error) {
		r, n, err := fetch(off)
		if err == nil {
			err = w.open()
		}
		return r, n, err
	}, progress)
}

// fetchInto writes what fetch brings from off on to w, and checks that all came.
func fetchInto(
	w io.Writer, off int64, fetch func(off int64) (io.Reader, int64, error), progress io.Writer,
) error {
	r, n, err := fetch(off)
	if err != nil {
		return err
	}
	bar := progressbar.NewOptions64(off+n, progressbar.OptionSetWriter(progress), progressbar.OptionShowBytes(true),
		progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish())
	bar.Set64(off)
	got, err := io.Copy(io.MultiWriter(w, bar), r)
	bar.Finish()
	switch {
	case err != nil:
		return fmt.Errorf("%d of %d bytes came: %w", got, n, err)
	case got != n:
		return fmt.Errorf("%d of %d bytes came", got, n)
	}
	return nil
}

// lateFile is a file that is opened when it is needed.
type lateFile struct {
	name  string
	flags int
	f     *os.File
}

func (l *lateFile) open() (err error) {
	l.f, err = os.OpenFile(l.name, l.flags, 0o666)
	return err
}

func (l *lateFile) Write(p []byte) (int, error) { return l.f.Write(p) }

func (l *lateFile) Close() error {
	if l.f == nil {
		return nil
	}
	return l.f.Close()
}
