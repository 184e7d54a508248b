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
	now  func(fd uintptr) bool // writeNow, made once

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
	o.once, o.now = o.writev, o.writeNow
	return o
}

// try implements eager. An error is left to write, which meets it again.
func (o *rawOutput) try(pieces [][]byte) (n int) {
	if o.with(pieces, o.now) != nil || o.err != nil {
		return 0
	}
	return o.n
}

// with has f write pieces.
func (o *rawOutput) with(pieces [][]byte, f func(fd uintptr) bool) error {
	if len(pieces) > cap(o.iov) {
		o.iov = make([]unix.Iovec, len(pieces))
	}
	o.pieces, o.n, o.err = pieces, 0, nil
	err := o.raw.Write(f)
	o.pieces = nil
	return err
}

func (o *rawOutput) write(pieces [][]byte) (n int, err error) {
	if err = o.with(pieces, o.once); err != nil {
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

// writeNow is writev that does not wait.
func (o *rawOutput) writeNow(fd uintptr) (done bool) {
	o.writev(fd)
	return true
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
