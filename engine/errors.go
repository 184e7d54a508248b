package engine

import (
	"errors"
	"fmt"
	"net"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
)

// Code says why a channel or a connection ended (SPEC section 6).
type Code = codec.Code

// The codes an application uses; package codec has all. From 256 on they are the application's own.
const (
	NoError   = codec.NoError
	Refused   = codec.Refused
	Internal  = codec.Internal
	Cancelled = codec.Cancelled
	Timeout   = codec.Timeout
	Calm      = codec.Calm
)

var (
	// ErrWouldBlock means that a channel's queue has no room for the message, or that memory runs short.
	// OnWritable follows once there is some again, and at most Config.SendLow bytes wait. CloseWrite and
	// SetPriority return it while the peer's profile is not known.
	ErrWouldBlock = errors.New("engine: channel's queue is full")

	// ErrNotRegular means that a file is no regular one: it has no length that could be counted on.
	ErrNotRegular = errors.New("engine: not a regular file")

	// ErrTooLarge means that a message is larger than MaxMessage.
	ErrTooLarge = errors.New("engine: message too large")

	// ErrClosed means that the channel, session or engine is closed. It is a net.ErrClosed.
	ErrClosed = fmt.Errorf("engine: %w", net.ErrClosed)

	// ErrHalfClose means that the peer's profile has no half close (SPEC section 3).
	ErrHalfClose = fmt.Errorf("engine: half close: %w", errors.ErrUnsupported)
)

// ChannelError is the end of a channel by ERROR or by a deadline; the connection lives.
type ChannelError struct {
	Code   Code
	Remote bool   // the peer ended it
	Reason string // for people; from the peer if Remote: escape it
}

func (e *ChannelError) Error() string { return describe("channel", e.Code, e.Remote, e.Reason, nil) }

// ConnError is the end of a connection, and of all its channels.
type ConnError struct {
	Code   Code
	Remote bool   // the peer ended it
	Reason string // for people; from the peer if Remote: escape it

	// Err is what the transport said, if it was that: io.EOF if it just ended, io.ErrUnexpectedEOF if that cut
	// channels off, or a frame.
	Err error
}

func (e *ConnError) Error() string { return describe("connection", e.Code, e.Remote, e.Reason, e.Err) }

// Unwrap returns Err.
func (e *ConnError) Unwrap() error { return e.Err }

func describe(what string, code Code, remote bool, reason string, err error) string {
	s := fmt.Sprintf("engine: %s ended by this side: %v", what, code)
	switch {
	case err == ErrClosed:
		return fmt.Sprintf("engine: %s closed by this side", what)
	case err != nil:
		s = fmt.Sprintf("engine: %s lost: %v", what, err)
	case remote:
		s = fmt.Sprintf("engine: %s ended by the peer: %v", what, code)
	}
	if reason != "" {
		s += fmt.Sprintf(" (%.64q)", reason)
	}
	return s
}

// errorOf is what an end means to the application: nil if it is clean.
func errorOf(end *core.End) error {
	switch {
	case end.Clean:
		return nil
	case end.Err == net.ErrClosed, // by this side's application
		end.Conn && !end.Remote && end.Code == codec.ClosedError && end.Err == nil: // or before the channel could begin
		return &ConnError{Code: end.Code, Reason: end.Reason, Err: ErrClosed}
	case end.Conn:
		return &ConnError{Code: end.Code, Remote: end.Remote, Reason: end.Reason, Err: end.Err}
	}
	return &ChannelError{Code: end.Code, Remote: end.Remote, Reason: end.Reason}
}
