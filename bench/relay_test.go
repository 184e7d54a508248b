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
	r, err := startRelay(echoServer(t), Line{RTT: rtt})
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

// Bytes take their time on a line with a rate, those that come at once wait for each other, and a pause saves nothing.
func TestALineHasARate(t *testing.T) {
	l := newLane(Line{RTT: 10 * time.Millisecond, Rate: 1e6}, nil)
	at := time.Now()
	for _, c := range []struct {
		n           int
		came, after time.Duration
	}{
		{1000, 0, 6 * time.Millisecond},
		{1000, 0, 7 * time.Millisecond},
		{0, 0, 7 * time.Millisecond},
		{500, 100 * time.Millisecond, 105500 * time.Microsecond},
	} {
		if after := l.leaves(c.n, at.Add(c.came)).Sub(at); after != c.after {
			t.Errorf("%d bytes that came after %v leave after %v, not %v", c.n, c.came, after, c.after)
		}
	}
	if l.holds != 5000+20000+1024 || l.step != 1024 {
		t.Errorf("it holds %d bytes and takes %d at once", l.holds, l.step)
	}
}

// What a relay with a rate brings takes as long as the rate says, and nothing is lost.
func TestARelayHasARate(t *testing.T) {
	r, err := startRelay(echoServer(t), Line{Rate: 4e6})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const n = 400_000
	began := time.Now()
	go c.Write(make([]byte, n))
	if _, err := io.ReadFull(c, make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("%d bytes took %v", n, took)
	}
}

// A relay ends with what it connects, and while bytes are under way.
func TestARelayEnds(t *testing.T) {
	r, err := startRelay(echoServer(t), Line{RTT: time.Hour})
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
