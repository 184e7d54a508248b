package engine

import (
	"fmt"
	"os"
)

// SendFile queues n bytes of f from off on, behind what is queued. On epoll, to peers of the extended profile, they go
// from the page cache to the socket without being copied or looked at; else they are read for each frame. Bytes that
// are not in memory are read ahead while others use the connection. A file counts little in the queue, however long.
//
// If it returns nil f is the engine's, and closed when all has left or the channel has ended. Else f stays the
// caller's: the error is ErrNotRegular, ErrClosed, ErrWouldBlock (OnWritable follows), or says that f has fewer bytes.
// If f is made shorter later on the channel ends with Internal, and the peer may get zeros before that.
func (ch Channel) SendFile(f *os.File, off, n int64) error {
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return ErrNotRegular
	case off < 0 || n < 0 || off > info.Size()-n:
		return fmt.Errorf("engine: %s has %d bytes: not %d from %d on", f.Name(), info.Size(), n, off)
	}
	if err := ch.reserve(int(min(n, 1))); err != nil {
		return wouldBlock(err)
	}
	if n == 0 {
		return f.Close()
	}
	l := ch.conn.lc.Loop()
	file := ch.conn.engine.disk.New(f, func() { l.Fetched(&ch.conn.lc, ch.handle) })
	if !l.SendFile(&ch.conn.lc, ch.handle, file, off, n) {
		return ErrClosed
	}
	return nil
}
