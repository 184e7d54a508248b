package engine

import (
	"errors"
	"io"
	"net"
	"testing"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
)

// A channel that came too late for its connection is closed; one that its connection took along says why that ended.
func TestErrorOfConnEnds(t *testing.T) {
	for _, c := range []struct {
		end    core.End
		closed bool // an ErrClosed
	}{
		{core.End{Conn: true, Code: codec.ClosedError}, true},
		{core.End{Conn: true, Code: codec.Cancelled, Err: net.ErrClosed}, true},
		{core.End{Conn: true, Code: codec.ClosedError, Remote: true}, false},
		{core.End{Conn: true, Code: codec.Internal, Err: io.ErrUnexpectedEOF}, false},
	} {
		err := errorOf(&c.end)
		var ce *ConnError
		if !errors.As(err, &ce) || ce.Code != c.end.Code || ce.Remote != c.end.Remote || errors.Is(err, ErrClosed) != c.closed {
			t.Errorf("%+v: %v", c.end, err)
		}
	}
}
