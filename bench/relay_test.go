package bench

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

// echoServer sends back what comes, and ends its direction behind the other one.
func echoServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

// All bytes come, in order, in both directions, the ends of the directions behind them, and none early.
func TestARelayDelaysAndChangesNothing(t *testing.T) {
	const rtt = 20 * time.Millisecond
	r, err := startRelay(echoServer(t), rtt)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sent := make([]byte, laneBytes+laneBytes/3) // round the ring
	for i := range sent {
		sent[i] = byte(rand.Uint32())
	}
	began := time.Now()
	go func() {
		c.Write(sent)
		c.(*net.TCPConn).CloseWrite()
	}()
	var first [1]byte
	if _, err := io.ReadFull(c, first[:]); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < rtt {
		t.Errorf("the first byte was back after %v", took)
	}
	rest, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(append(first[:], rest...), sent) {
		t.Errorf("%d bytes came back, of %d; or others", len(rest)+1, len(sent))
	}
}

// A relay ends with what it connects, and while bytes are under way.
func TestARelayEnds(t *testing.T) {
	r, err := startRelay(echoServer(t), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	for joined := false; !joined; {
		time.Sleep(time.Millisecond)
		r.mu.Lock()
		joined = len(r.conns) == 2
		r.mu.Unlock()
	}
	done := make(chan struct{})
	go func() {
		r.Close()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the relay does not end")
	}
}
