package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"time"

	"github.com/sscd-io/sscd/cmd/internal/flags"
	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/file"
)

// download is what sscd get is to do.
type download struct {
	path   string     // on the server
	part   file.Range // of the file; while it is resumed, what is not there yet
	resume bool
	out    *output
}

// getWindow is what may be under way of a file from the start, in bytes.
const getWindow = 1 << 20

// getUsage is what sscd get says about itself.
const getUsage = `sscd get [flags] ADDR PATH
fetches the file PATH, with slashes and relative to the directory, from a server that was given --files.`

// get fetches a file from a server.
func get(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags.New(getUsage)
	var d download
	name := f.String("o", "",
		"`file` to write; - is standard output, and by default it is called as on the server. It is FILE.part while "+
			"it is incomplete, and replaces what is called FILE in the end")
	f.BoolVar(&d.resume, "resume", false, "go on with FILE.part, if there is one of the same state of the file")
	f.BoolVar(&d.resume, "C", false, "short for --resume")
	f.Int64Var(&d.part.From, "offset", 0, "get what comes behind so many `bytes`")
	f.Int64Var(&d.part.Length, "length", 0, "get so many `bytes`; 0 means up to the end")
	quiet := f.Bool("q", false, "show no progress; it is shown on terminals only")
	timeout := f.Duration("timeout", 10*time.Second, "to connect, and to open the channel")
	credentials := flags.Credentials(f)
	rest, err := flags.ParseMixed(f, args, stdout)
	if err != nil {
		return err
	}
	if len(rest) != 2 {
		return flags.Usage("get takes an address and a path")
	}
	d.path = rest[1]
	if *name == "" {
		*name = path.Base(d.path)
	}
	switch {
	case slices.Contains([]string{".", "..", "/"}, path.Base(d.path)):
		return flags.Usage("%q is no path of a file", d.path)
	case *timeout <= 0:
		return flags.Usage("--timeout is %v, not more than 0", *timeout)
	case d.part.From < 0 || d.part.Length < 0:
		return flags.Usage("--offset and --length are not negative")
	case d.resume && d.part != file.Range{}:
		return flags.Usage("only whole files can be resumed, not parts")
	case d.resume && *name == "-":
		return flags.Usage("standard output can't be resumed")
	}
	secret, err := flags.ReadCredentials(*credentials)
	if err != nil {
		return err
	}
	if d.out, err = newOutput(*name, stdout, d.part == file.Range{}); err != nil {
		return err
	}
	dialing, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	session, err := engine.Dial(dialing, rest[0], engine.Config{Credentials: secret, Window: getWindow})
	if err != nil {
		return err
	}
	defer session.Close()
	if *quiet {
		stderr = io.Discard
	}
	if err := d.run(ctx, dialing, session, stderr); err != nil {
		return errors.Join(err, d.out.abandon())
	}
	return d.out.finish()
}

// run transfers the file. dialing bounds the wait for the server's answer.
func (d *download) run(ctx, dialing context.Context, session *engine.Session, stderr io.Writer) error {
	var known file.Header
	resumed := false
	if d.resume {
		var err error
		if d.part.From, known, resumed, err = d.out.begun(); err != nil {
			return err
		}
	}
	stream, err := open(dialing, session, file.Request(d.path, d.part))
	if err != nil {
		return d.refused(err, resumed)
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	defer stop()

	header, err := file.ReadHeader(stream)
	if end := (*engine.ChannelError)(nil); errors.As(err, &end) {
		return d.refused(err, resumed)
	}
	if err != nil {
		return d.short(ctx, 0, err)
	}
	if resumed && header != known {
		return d.changed()
	}
	want, ok := d.part.Of(header.Size)
	if !ok {
		return fmt.Errorf("the server promised a part of %d bytes that reaches beyond them", header.Size)
	}
	if err := d.out.begin(header, resumed); err != nil {
		return err
	}
	bar := newProgress(stderr, want)
	defer bar.end()
	n, err := io.CopyN(d.out, io.TeeReader(stream, bar), want)
	if err != nil {
		return d.short(ctx, n, err)
	}
	// Only the end says that all was as it should be (SPEC section 3, HEADER_CRC).
	if n, err := io.ReadFull(stream, make([]byte, 1)); n > 0 {
		return fmt.Errorf("more came than the %d bytes that were promised", want)
	} else if err != io.EOF {
		return d.short(ctx, want, err)
	}
	return nil
}

// refused says why the server did not send the file.
func (d *download) refused(err error, resumed bool) error {
	var end *engine.ChannelError
	if !errors.As(err, &end) || !end.Remote {
		return fmt.Errorf("asking for %q: %w", d.path, err)
	}
	switch end.Code {
	case file.NotFound:
		return fmt.Errorf("the server has no file %q", d.path)
	case file.NotRegular:
		return fmt.Errorf("%q is not a regular file", d.path)
	case file.BadRange:
		if resumed {
			return d.changed()
		}
		return fmt.Errorf("%q is too short for that offset and length", d.path)
	case engine.Refused:
		return fmt.Errorf("the server gives no files, or not now: %w", err)
	}
	return fmt.Errorf("asking for %q: %w", d.path, err)
}

// changed says that what is there is no part of what the server has.
func (d *download) changed() error {
	part := d.out.partName()
	return fmt.Errorf("%q has changed since %s was begun; without --resume it is fetched anew", d.path, part)
}

// short says that the transfer ended after n bytes.
func (d *download) short(ctx context.Context, n int64, err error) error {
	switch {
	case ctx.Err() != nil:
		err = errors.New("interrupted")
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		err = errors.New("the server ended it too early")
	}
	if d.out.resumable() {
		return fmt.Errorf("%w, after %d bytes; --resume goes on with %s", err, n, d.out.partName())
	}
	return fmt.Errorf("%w, after %d bytes", err, n)
}
