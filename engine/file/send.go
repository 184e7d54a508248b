package file

import (
	"io"
	"os"

	"github.com/sscd-io/sscd/engine"
)

// pieceBytes is how much of a file is read at a time.
const pieceBytes = 16 << 10

// send queues n bytes of f from offset off, or as many as the channel takes, and returns how many. If the error is
// nil that was all, and f is closed; after engine.ErrWouldBlock OnWritable follows.
func send(ch engine.Channel, f *os.File, off, n int64) (sent int64, err error) {
	buf := make([]byte, min(n, pieceBytes))
	for sent < n {
		piece := buf[:min(n-sent, pieceBytes)]
		if got, err := f.ReadAt(piece, off+sent); got < len(piece) {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF // the file has become shorter
			}
			return sent, err
		}
		if err := ch.Send(piece); err != nil {
			return sent, err
		}
		sent += int64(len(piece))
	}
	f.Close()
	return sent, nil
}
