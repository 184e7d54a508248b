//go:build !linux

package netio

import (
	"net"

	"github.com/sscd-io/sscd/pool"
)

// newOutput returns the best output for nc.
func newOutput(nc net.Conn, p *pool.Pool) output {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		return &buffersOutput{nc: nc}
	}
	return anyOutput{nc, p}
}

// buffersOutput writes to a socket of package net without joining pieces. It returns when all it was to
// write is out, so that is little.
type buffersOutput struct {
	nc  net.Conn
	all net.Buffers // its memory
}

func (o *buffersOutput) write(pieces [][]byte) (n int, err error) {
	o.all = o.all[:0]
	size := 0
	for _, s := range pieces {
		if size == maxWrite {
			break
		}
		s = s[:min(len(s), maxWrite-size)]
		size += len(s)
		o.all = append(o.all, s)
	}
	left := o.all // WriteTo consumes it
	written, err := left.WriteTo(o.nc)
	clear(o.all)
	return checkWrite(int(written), size, err)
}
