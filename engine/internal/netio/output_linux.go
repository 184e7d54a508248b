package netio

import (
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/sock"
	"github.com/sscd-io/sscd/pool"
)

// newOutput returns the best output for nc.
func newOutput(nc net.Conn, p *pool.Pool) output {
	switch nc := nc.(type) {
	case *net.TCPConn:
		return newRawOutput(nc, nc, p)
	case *net.UnixConn:
		return newRawOutput(nc, nc, p)
	}
	return anyOutput{nc, p}
}

// rawOutput writes to a socket of package net. Unlike net.Buffers, which returns when all is out, it tells
// what the socket takes as soon as it takes it.
type rawOutput struct {
	nc   net.Conn
	raw  syscall.RawConn
	iov  []unix.Iovec
	once func(fd uintptr) bool // writev, made once

	// Of the write under way.
	pieces [][]byte
	n      int
	err    error
}

func newRawOutput(nc net.Conn, sc syscall.Conn, p *pool.Pool) output {
	raw, err := sc.SyscallConn()
	if err != nil {
		return anyOutput{nc, p}
	}
	o := &rawOutput{nc: nc, raw: raw}
	o.once = o.writev
	return o
}

func (o *rawOutput) write(pieces [][]byte) (n int, err error) {
	if len(pieces) > cap(o.iov) {
		o.iov = make([]unix.Iovec, len(pieces))
	}
	o.pieces, o.n, o.err = pieces, 0, nil
	err = o.raw.Write(o.once)
	o.pieces = nil
	if err != nil {
		return 0, err
	}
	if o.err != nil {
		return 0, &net.OpError{
			Op: "write", Net: o.nc.LocalAddr().Network(), Source: o.nc.LocalAddr(), Addr: o.nc.RemoteAddr(),
			Err: os.NewSyscallError("writev", o.err),
		}
	}
	return o.n, nil
}

// writev writes what the socket takes, and returns false if that is nothing: package net calls it again
// when the socket is ready.
func (o *rawOutput) writev(fd uintptr) (done bool) {
	for {
		switch o.n, o.err = sock.Writev(int(fd), o.pieces, o.iov); o.err {
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			return true
		}
	}
}
