//go:build linux

package epollio

import (
	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/disk"
)

// zeros fill a frame whose file became shorter when its header was out.
var zeros [16 << 10]byte

// sendfile writes what the socket takes of a range from byte skip on.
func (c *conn) sendfile(r *core.Range, skip int) (n int, err error) {
	from := r.Off + int64(skip)
	got, err := unix.Sendfile(c.fd, r.File.(*disk.File).FD(), &from, r.Len-skip)
	switch {
	case err == unix.EIO || err == nil && got == 0:
		return c.fill(r.Len - skip)
	case err == unix.EINVAL || err == unix.ENOSYS || err == unix.EOVERFLOW: // not of this file
		return c.fill(r.Len - skip)
	}
	if n, err = c.took(got, err); n > 0 {
		c.lc.SentFile(n)
	}
	return n, err
}

// fill writes zeros instead of the last n bytes of a range that its file does not have any more. The channel
// ends, the connection does not.
func (c *conn) fill(n int) (int, error) {
	c.lc.Truncated()
	return c.took(unix.Write(c.fd, zeros[:min(n, len(zeros))]))
}
