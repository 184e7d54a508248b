package engine

import (
	"fmt"
	"os"

	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/disk"
	"github.com/sscd-io/sscd/engine/internal/loop"
)

// SendFile queues n bytes of f from off on to be sent, behind what Send queued. If it returns nil, f is passed on: the
// engine closes it, once, when the range has left or the channel has ended; else it stays the caller's. A range counts
// 4 KiB in the channel's queue however long it is, so ErrWouldBlock is as for Send. The other errors are ErrClosed,
// ErrNotRegular, and that f does not have those bytes.
//
// With Epoll and IOUring, to peers of the extended profile, the bytes go from the page cache to the socket, but for
// frames of up to 24 KiB; others get the same bytes, read by the engine. They are never compressed. If the file
// becomes shorter before all has left, the channel ends with Internal; the peer may have got up to a frame of zeros by
// then, but neither FIN nor CLOSE.
func (ch Channel) SendFile(f *os.File, off, n int64) error {
	if !ch.sends() {
		return ErrClosed
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("engine: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: %s", ErrNotRegular, f.Name())
	case off < 0 || n < 0 || n > info.Size() || off > info.Size()-n:
		return fmt.Errorf("engine: %s has %d bytes, not %d from %d on", f.Name(), info.Size(), n, off)
	case n == 0:
		f.Close()
		return nil
	}
	switch ch.conn.lc.ReserveFile(ch.handle) {
	case core.SendOK:
	case core.SendClosed:
		return ErrClosed
	default: // not SendStarved: what a range counts is always there
		ch.conn.engine.wouldBlock.Add(1)
		return ErrWouldBlock
	}
	d := disk.New(f, &ch.conn.engine.readers)
	return ch.post(loop.Op{Kind: loop.Call, Func: func() { ch.conn.lc.SendFile(ch.handle, d, off, n) }})
}
