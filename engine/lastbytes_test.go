//go:build linux

package engine_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine"
)

// A session that shuts down has sent all, and has ended cleanly, while its peer still reads and has something to say.
// The peer gets every byte, and then the transport's end.
func TestShutdownLosesNothing(t *testing.T) {
	const size, window = 300_000, 65536
	onBackends(t, func(t *testing.T, b engine.Backend) {
		l, err := engine.Listen("127.0.0.1:0", engine.Config{
			Backend: b, Logger: quiet, Socket: engine.SocketConfig{WriteBuffer: 256 << 10},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		p := dialNarrow(t, l.Addr().String())
		p.pongs = true
		p.send("HELLO features=15 window=65536 connwindow=65536", "OPEN 1", `DATA 1 flags 0x02 "?"`)
		s := acceptSession(t, l)
		shut := make(chan error, 1)
		go func() { shut <- answerAndShutdown(t, s, size) }()
		p.want("PONG 0 HELLO", "ACK 1")
		fin, away := false, false
		for got, granted := 0, 0; !fin || !away; {
			f, err := p.next(patience)
			switch {
			case err != nil:
				t.Fatalf("after %d bytes of %d: %v", got, size, err)
			case f.Type == codec.Data:
				got += len(f.Payload)
				fin = f.Flags&codec.Fin != 0
			case show(f) == "ERROR 0 NO_ERROR":
				away = true
			default:
				t.Fatalf("after %d bytes of %d: %s", got, size, show(f))
			}
			if n := got - granted; n >= window/2 && granted+window < size {
				p.send(fmt.Sprintf("FLOW_CONTROL 1 %d", n), fmt.Sprintf("FLOW_CONTROL 0 %d", n))
				if granted = got; granted+window >= size { // all that is left can leave, and does
					<-s.Done()
					p.send(`PING 0 "still here"`)
					time.Sleep(10 * time.Millisecond) // by then a reset would have come
				}
			}
		}
		p.wantClosed()
		p.conn.Close()
		if err := <-shut; err != nil {
			t.Error(err)
		}
	})
}

// answerAndShutdown has a session answer a question that ends, and end.
func answerAndShutdown(t *testing.T, s *engine.Session, size int) error {
	st, err := s.Accept(t.Context())
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, st); err != nil {
		return err
	}
	if _, err := st.Write(make([]byte, size)); err != nil {
		return err
	}
	if err := st.CloseWrite(); err != nil {
		return err
	}
	return s.Shutdown(t.Context())
}
