package netio

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/sscd-io/sscd/pool"
)

// maxWrite is how much is written in one go where a write says nothing before all is out, in bytes. It is
// all that a peer must take within Timeouts.Stall, and a record of TLS.
const maxWrite = 16 << 10

// output is the writing half of a transport.
type output interface {
	// write writes some of pieces, which are not empty, from the first byte on, and returns how many
	// bytes that is: some, unless there is an error.
	write(pieces [][]byte) (n int, err error)
}

// eager is an output that can write without waiting.
type eager interface {
	// try writes as many bytes of pieces as the transport takes at once, and returns how many those are.
	try(pieces [][]byte) (n int)
}

// anyOutput writes to any net.Conn.
type anyOutput struct {
	nc   net.Conn
	pool *pool.Pool
}

func (o anyOutput) write(pieces [][]byte) (n int, err error) {
	p := pieces[0]
	if len(pieces) > 1 && len(p) < maxWrite {
		joined := o.pool.Get(maxWrite)
		defer joined.Release()
		p = joined.B[:0]
		for _, s := range pieces {
			p = append(p, s[:min(len(s), maxWrite-len(p))]...)
		}
	}
	p = p[:min(len(p), maxWrite)]
	n, err = o.nc.Write(p)
	return checkWrite(n, len(p), err)
}

var errInvalidWrite = errors.New("the transport claims to have written what it was not given")

// checkWrite makes of what a Write of size bytes returned what io.Writer promises.
func checkWrite(n, size int, err error) (int, error) {
	switch {
	case n < 0 || n > size:
		n = 0
		if err == nil {
			err = errInvalidWrite
		}
	case n < size && err == nil:
		err = io.ErrShortWrite
	}
	if errors.Is(err, io.EOF) { // which is not the end of what the peer sends
		err = fmt.Errorf("%w: %v", io.ErrClosedPipe, err)
	}
	return n, err
}
