package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/sscd-io/sscd/cmd/internal/flags"
	"github.com/sscd-io/sscd/engine"
)

// connectUsage is what sscd connect says about itself.
const connectUsage = `sscd connect [flags] ADDR [TARGET]
opens a channel, sends it what standard input has, and writes what comes from it to standard output. TARGET says what
it is for: of sscd serve echo, discard or source:N (N bytes); without one, echo. For files there is sscd get.`

// connect copies standard input to a channel, and what comes from it to standard output.
func connect(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	f := flags.New(connectUsage)
	timeout := f.Duration("timeout", 10*time.Second, "to connect, and to open the channel")
	wait := f.Duration("wait", time.Second,
		"after the end of input, close when nothing came for so long; for peers that can't be told of that end")
	credentials := flags.Credentials(f)
	compress := f.Bool("compress", false, "compress what is sent, if the server offers it, and let it do the same")
	rest, err := flags.ParseMixed(f, args, stdout)
	switch {
	case err != nil:
		return err
	case len(rest) < 1 || len(rest) > 2:
		return flags.Usage("connect takes an address, and a target if it is not the usual one")
	case *timeout <= 0:
		return flags.Usage("--timeout is %v, not more than 0", *timeout)
	case *wait < 0:
		return flags.Usage("--wait is %v, less than 0", *wait)
	}
	target := ""
	if len(rest) == 2 {
		target = rest[1]
	}

	secret, err := flags.ReadCredentials(*credentials)
	if err != nil {
		return err
	}

	dialing, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	session, err := engine.Dial(dialing, rest[0], engine.Config{Credentials: secret, Compression: *compress})
	if err != nil {
		return err
	}
	defer session.Close()
	stream, err := open(dialing, session, engine.OpenOptions{Target: target, Compress: *compress})
	if err != nil {
		return fmt.Errorf("opening %q: %w", target, err)
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	defer stop()

	return exchange(ctx, session, stream, stdin, stdout, *wait)
}

// exchange sends what is read from stdin, writes what comes to stdout, and ends both.
func exchange(
	ctx context.Context, session *engine.Session, stream *engine.Stream, stdin io.Reader, stdout io.Writer,
	wait time.Duration,
) error {
	var inputErr error
	ended := make(chan struct{})  // the input has; inputErr says how
	untold := make(chan struct{}) // it has, and the peer does not know
	go func() {
		inputErr = send(stream, stdin)
		close(ended)
		if errors.Is(stream.CloseWrite(), engine.ErrHalfClose) {
			// To close now would lose what the peer has not sent yet.
			close(untold)
			stream.SetReadDeadline(time.Now().Add(wait))
		}
	}()
	err := receive(stdout, stream, untold, wait)
	if ctx.Err() != nil && errors.Is(err, net.ErrClosed) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := hangUp(ctx, session, stream); err != nil {
		return err
	}
	select {
	case <-ended:
		return inputErr
	default:
		return nil // the peer closed the channel
	}
}

// send copies in to the stream. It returns what is wrong with in; why the stream takes no more, its reader
// learns, behind the last byte.
func send(stream *engine.Stream, in io.Reader) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := in.Read(buf)
		if _, err := stream.Write(buf[:n]); err != nil {
			return nil
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("reading the input: %w", err)
		}
	}
}

// receive copies a stream to out until the stream ends, or until nothing came for wait since the input ended
// untold.
func receive(out io.Writer, stream *engine.Stream, untold <-chan struct{}, wait time.Duration) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := stream.Read(buf)
		if n > 0 {
			if _, err := out.Write(buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
			select {
			case <-untold:
				stream.SetReadDeadline(time.Now().Add(wait))
			default:
			}
		case err == io.EOF, errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		default:
			return err
		}
	}
}

// hangUp closes the stream and waits until the peer has all that was written to it: the session takes no
// more channels, so it ends then.
func hangUp(ctx context.Context, session *engine.Session, stream *engine.Stream) error {
	stream.Close()
	err := session.Shutdown(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if end := session.Err(); !errors.Is(end, net.ErrClosed) {
		return end
	}
	return err
}

// open opens a stream. If the session has ended before it says why.
func open(ctx context.Context, s *engine.Session, o engine.OpenOptions) (*engine.Stream, error) {
	stream, err := s.Open(ctx, o)
	if err == engine.ErrClosed {
		<-s.Done()
		err = s.Err()
	}
	return stream, err
}
