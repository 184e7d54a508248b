//go:build linux

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine"
)

// judge says what is wrong with an error, "" if nothing is.
type judge func(err error) string

// fine is that there is none.
func fine(err error) string {
	if err != nil {
		return "want none"
	}
	return ""
}

// is is an error that is target.
func is(target error) judge {
	return func(err error) string {
		var ne net.Error
		switch {
		case !errors.Is(err, target):
			return fmt.Sprintf("want %v", target)
		case errors.As(err, &ne) && ne.Timeout() != (target == os.ErrDeadlineExceeded):
			return fmt.Sprintf("its Timeout is %v", ne.Timeout())
		}
		return ""
	}
}

// channelEnd is a *ChannelError, and nothing else.
func channelEnd(code engine.Code, remote bool) judge {
	return func(err error) string {
		var ce *engine.ChannelError
		if !errors.As(err, &ce) || ce.Code != code || ce.Remote != remote || errors.Is(err, net.ErrClosed) || os.IsTimeout(err) {
			return fmt.Sprintf("want a ChannelError %v, remote %v", code, remote)
		}
		return ""
	}
}

// connEnd is a *ConnError, which wraps something if that is not nil.
func connEnd(code engine.Code, remote bool, wraps error) judge {
	return func(err error) string {
		var ce *engine.ConnError
		if !errors.As(err, &ce) || ce.Code != code || ce.Remote != remote || !errors.Is(ce.Err, wraps) || os.IsTimeout(err) {
			return fmt.Sprintf("want a ConnError %v, remote %v, that is %v", code, remote, wraps)
		}
		return ""
	}
}

// ends are both ends of a stream, and a way to cut the transport.
type ends struct {
	client, server *engine.Session
	ours, theirs   *engine.Stream
	cut            func()
}

// connect makes two ends over a pipe.
func connect(t *testing.T) *ends {
	t.Helper()
	a, b := net.Pipe()
	client, err := engine.Client(a, engine.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	server, err := engine.Server(b, engine.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	ours, theirs := streamPair(t, client, server, engine.OpenOptions{})
	return &ends{client, server, ours, theirs, func() { b.Close() }}
}

// The table of streams in the documentation of the package, row by row.
func TestErrorsOfStreams(t *testing.T) {
	gone := is(engine.ErrClosed)
	for _, row := range []struct {
		name                    string
		end                     func(e *ends)
		read, write, closeWrite judge
	}{
		{"nothing", func(e *ends) { e.theirs.Write([]byte("x")) }, fine, fine, fine},
		{"CloseWrite by the peer", func(e *ends) { e.theirs.CloseWrite() }, is(io.EOF), fine, fine},
		{"CloseWrite by us", func(e *ends) { e.ours.CloseWrite(); e.theirs.Write([]byte("x")) }, fine, gone, gone},
		{"CloseWrite by both", func(e *ends) { e.ours.CloseWrite(); e.theirs.CloseWrite() }, is(io.EOF), gone, gone},
		{"CloseRead by us", func(e *ends) { e.ours.CloseRead() }, gone, fine, fine},
		{"Close by the peer", func(e *ends) { e.theirs.Close() }, is(io.EOF),
			channelEnd(codec.ClosedError, true), channelEnd(codec.ClosedError, true)},
		{"Close by us", func(e *ends) { e.ours.Close() }, gone, gone, gone},
		{"Reset by us", func(e *ends) { e.ours.Reset(engine.Calm) }, gone, gone, gone},
		{"Reset by the peer", func(e *ends) { e.theirs.Reset(engine.Calm) },
			channelEnd(engine.Calm, true), channelEnd(engine.Calm, true), channelEnd(engine.Calm, true)},
		{"Reset by the peer for a timeout", func(e *ends) { e.theirs.Reset(engine.Timeout) },
			channelEnd(engine.Timeout, true), channelEnd(engine.Timeout, true), channelEnd(engine.Timeout, true)},
		{"a deadline", func(e *ends) { e.ours.SetDeadline(time.Now()) },
			is(os.ErrDeadlineExceeded), is(os.ErrDeadlineExceeded), is(os.ErrDeadlineExceeded)},
		{"Close by us, and a deadline", func(e *ends) { e.ours.SetDeadline(time.Unix(1, 0)); e.ours.Close() }, gone, gone, gone},
		{"both ends by us, and a deadline", func(e *ends) {
			e.ours.CloseRead()
			e.ours.CloseWrite()
			e.ours.SetDeadline(time.Unix(1, 0))
		}, gone, gone, gone},
		{"the session closes", func(e *ends) { e.client.Close() },
			connEnd(engine.Cancelled, false, engine.ErrClosed), connEnd(engine.Cancelled, false, engine.ErrClosed),
			connEnd(engine.Cancelled, false, engine.ErrClosed)},
		{"the peer's session closes", func(e *ends) { e.server.Close() },
			connEnd(engine.Cancelled, true, nil), connEnd(engine.Cancelled, true, nil), connEnd(engine.Cancelled, true, nil)},
		{"the transport ends", func(e *ends) { e.cut() },
			connEnd(engine.Internal, false, io.ErrUnexpectedEOF), connEnd(engine.Internal, false, io.ErrUnexpectedEOF),
			connEnd(engine.Internal, false, io.ErrUnexpectedEOF)},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := connect(t)
			row.end(e)
			_, err := e.ours.Read(make([]byte, 1))
			if wrong := row.read(err); wrong != "" {
				t.Errorf("Read: %v, %s", err, wrong)
			}
			eventually(t, func() (bool, string) { // the end of writing may come a moment later
				_, err := e.ours.Write([]byte("x"))
				wrong := row.write(err)
				return wrong == "", fmt.Sprintf("Write: %v, %s", err, wrong)
			})
			if err := e.ours.CloseWrite(); row.closeWrite(err) != "" {
				t.Errorf("CloseWrite: %v, %s", err, row.closeWrite(err))
			}
		})
	}
}

// The table of sessions.
func TestErrorsOfSessions(t *testing.T) {
	gone := is(engine.ErrClosed)
	refused := func(err error) string { // by the peer or, once that has said that it will, for it
		return channelEnd(engine.Refused, errors.As(err, new(*engine.ChannelError)) && err.(*engine.ChannelError).Remote)(err)
	}
	for _, row := range []struct {
		name                    string
		end                     func(e *ends)
		open, accept, ping, err judge
	}{
		{"the peer shuts down", func(e *ends) { go e.server.Shutdown(context.Background()) }, refused, nil, fine, fine},
		{"it shuts down", func(e *ends) { go e.client.Shutdown(context.Background()) },
			refused, nil, fine, fine},
		{"it closes", func(e *ends) { e.client.Close() }, gone, gone, gone, gone},
		{"it has ended when it was to", func(e *ends) { e.ours.Close(); e.server.Shutdown(context.Background()) }, gone, gone, gone, gone},
		{"the peer closes", func(e *ends) { e.server.Close() },
			gone, connEnd(engine.Cancelled, true, nil), gone, connEnd(engine.Cancelled, true, nil)},
		{"the transport ends", func(e *ends) { e.cut() }, gone, connEnd(engine.Internal, false, io.ErrUnexpectedEOF),
			gone, connEnd(engine.Internal, false, io.ErrUnexpectedEOF)},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := connect(t)
			row.end(e)
			if row.accept != nil {
				_, err := e.client.Accept(soon(t))
				if wrong := row.accept(err); wrong != "" {
					t.Errorf("Accept: %v, %s", err, wrong)
				}
			}
			eventually(t, func() (bool, string) {
				st, err := e.client.Open(soon(t), engine.OpenOptions{})
				if err == nil {
					st.Close()
				}
				wrong := row.open(err)
				return wrong == "", fmt.Sprintf("Open: %v, %s", err, wrong)
			})
			if _, err := e.client.Ping(soon(t)); row.ping(err) != "" {
				t.Errorf("Ping: %v, %s", err, row.ping(err))
			}
			if err := e.client.Err(); row.err(err) != "" {
				t.Errorf("Err: %v, %s", err, row.err(err))
			}
		})
	}
}

// What has a context returns when that is done, and lives on.
func TestErrorsOfContexts(t *testing.T) {
	e := connect(t)
	l, err := engine.Listen("127.0.0.1:0", engine.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	done, cancel := context.WithCancel(context.Background())
	cancel()
	_, opened := e.client.Open(done, engine.OpenOptions{})
	_, accepted := e.client.Accept(done)
	_, pinged := e.client.Ping(done)
	_, listened := l.Accept(done)
	_, dialled := engine.Dial(done, l.Addr().String(), engine.Config{Logger: quiet})
	for what, err := range map[string]error{"Open": opened, "Accept": accepted, "Ping": pinged, "Listener.Accept": listened} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if dialled == nil {
		t.Error("Dial does not mind its context")
	}
	if err := e.client.Err(); err != nil {
		t.Error("the session has ended:", err)
	}
	l.Close()
	if _, err := l.Accept(context.Background()); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("Accept of a listener that is closed: %v", err)
	}
}
