//go:build linux

package epollio

import (
	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/core"
)

// zeros stand for bytes that a file does not have any more.
var zeros [16 << 10]byte

// putFile writes what the socket takes of the part of a file that b ends with, behind its first sent bytes.
func (c *conn) putFile(b *core.Batch, sent int) (n int, err error) {
	for left := b.FileLen() - sent; left > 0; {
		var some int
		if b.File.Short {
			some, err = c.wrote(unix.Write(c.fd, zeros[:min(left, len(zeros))]))
		} else {
			off := b.File.Off + int64(sent+n)
			some, err = unix.Sendfile(c.fd, b.File.File.FD(), &off, left)
			if some == 0 && err == nil { // the file ends; its channel does, too
				b.File.Short = true
				c.lc.Shrunk(b.File.Channel)
				continue
			}
			some, err = c.wrote(some, err)
		}
		if err != nil || some == 0 {
			return n, err
		}
		n += some
		left -= some
	}
	return n, nil
}
