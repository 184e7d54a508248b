package netio

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/loop"
)

// transports are ways to make a connection: ours and the peer's end.
var transports = []struct {
	name string
	make func(t testing.TB) (ours, theirs net.Conn)
}{
	{"pipe", func(testing.TB) (net.Conn, net.Conn) { return net.Pipe() }},
	{"tcp", tcpPair},
	{"unix", func(t testing.TB) (net.Conn, net.Conn) { return socketPair(t, "unix") }},
	{"tls", tlsPair},
	{"no writev", func(t testing.TB) (net.Conn, net.Conn) {
		ours, theirs := tcpPair(t)
		return &shim{Conn: ours}, theirs
	}},
	{"no deadlines", func(testing.TB) (net.Conn, net.Conn) {
		ours, theirs := net.Pipe()
		return &shim{Conn: ours, timeless: true}, theirs
	}},
	{"a byte at a time", func(t testing.TB) (net.Conn, net.Conn) {
		ours, theirs := tcpPair(t)
		return &shim{Conn: ours, read: func(p []byte) (int, error) { return ours.Read(p[:1]) }}, theirs
	}},
}

func tcpPair(t testing.TB) (ours, theirs net.Conn) {
	t.Helper()
	return socketPair(t, "tcp")
}

// socketPair returns the two ends of a connection over the loopback interface or a Unix socket.
func socketPair(t testing.TB, network string) (ours, theirs net.Conn) {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = filepath.Join(t.TempDir(), "socket")
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if theirs, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if ours, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

func tlsPair(t testing.TB) (ours, theirs net.Conn) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)},
		&x509.Certificate{SerialNumber: big.NewInt(1)}, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs = tcpPair(t)
	pair := tls.Certificate{Certificate: [][]byte{cert}, PrivateKey: key}
	server := tls.Server(ours, &tls.Config{Certificates: []tls.Certificate{pair}})
	return server, tls.Client(theirs, &tls.Config{InsecureSkipVerify: true})
}

// A peer opens a channel, gets back what it sends, and hangs up. Nothing is left.
func TestALife(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			ours, theirs := tr.make(t)
			s := start(t, ours, false)
			p := newPeer(t, theirs)
			p.say(frame(codec.Open, 1, nil))
			p.want("ACK 1")
			msg := pattern(60_000, 0)
			go theirs.Write(frame(codec.Data, 1, msg))
			if got := p.wantData(len(msg)); !bytes.Equal(got, msg) {
				t.Error("other bytes come back")
			}
			p.say(frame(codec.Close, 1, nil))
			for kind := ""; kind != "ACK 1"; { // behind what was granted
				var err error
				if kind, _, err = p.read(); err != nil {
					t.Fatal(err)
				}
			}
			theirs.Close()
			s.wantOver()
			if end := s.end(); end.Remote || !end.Conn || end.Err == nil {
				t.Errorf("the end: %+v", end)
			}
		})
	}
}

// The application ends the connection while the reader waits for bytes and the writer for posts.
func TestAnIdleConnectionEnds(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			ours, theirs := tr.make(t)
			s := start(t, ours, false)
			p := newPeer(t, theirs)
			p.say(frame(codec.Open, 1, nil))
			p.want("ACK 1")
			var wg sync.WaitGroup
			for range 10 { // whoever wants it
				wg.Go(func() { s.conn.Abort(core.End{Code: codec.Cancelled, Reason: "enough"}) })
			}
			wg.Wait()
			s.wantOver()
			if end := s.end(); end.Code != codec.Cancelled || end.Reason != "enough" {
				t.Errorf("the end: %+v", end)
			}
			if kind, _, err := p.read(); err == nil {
				t.Errorf("%s comes after the end", kind)
			}
		})
	}
}

// A write waits; what the peer sends is taken all the same, so two that only write can't block each
// other. Nor does it keep others from the mutex.
func TestReadingGoesOnWhileAWriteWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		s := serve(t, ours, false)
		s.onData = func(core.Handle, []byte) {}
		p := newPeer(t, theirs)
		p.say(frame(codec.Open, 1, nil)) // and the ACK is not read
		synctest.Wait()
		for i := range 10 {
			p.say(frame(codec.Data, 1, pattern(5000, i)))
		}
		synctest.Wait()
		if n := len(s.received); n != 50_000 {
			t.Errorf("%d of 50,000 bytes were taken", n)
		}
		inside := false
		s.inside(func() { inside = true })
		if !inside {
			t.Error("nobody gets inside while a write waits")
		}
		p.want("ACK 1")
	})
}

// Bytes are not wanted for a while: what is being read still comes, then nothing is read until they are
// wanted again. None is lost.
func TestReadingPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		s := serve(t, ours, false)
		s.onData = func(core.Handle, []byte) {}
		p := newPeer(t, theirs)
		p.say(frame(codec.Open, 1, nil))
		p.want("ACK 1")
		synctest.Wait() // the reader is in its next read
		s.inside(func() { s.conn.WantRead(false) })
		msgs := [][]byte{pattern(100, 1), pattern(200, 2), pattern(300, 3)}
		said := make(chan int, len(msgs))
		go func() {
			for i, m := range msgs {
				p.say(frame(codec.Data, 1, m))
				said <- i
			}
		}()
		synctest.Wait()
		if len(said) != 1 || !bytes.Equal(s.received, msgs[0]) {
			t.Errorf("%d messages taken, %d bytes reported; the read on its way takes one", len(said), len(s.received))
		}
		s.inside(func() { s.conn.WantRead(true) })
		synctest.Wait()
		if !bytes.Equal(s.received, bytes.Join(msgs, nil)) {
			t.Errorf("%d bytes reported when reading went on, not those that were sent", len(s.received))
		}
		// A connection ends although nobody reads.
		s.inside(func() { s.conn.WantRead(false) })
		p.say(frame(codec.Data, 1, msgs[0]))
		synctest.Wait()
	})
}

// An idle connection holds a small buffer. Reads that fill it make it double, up to a limit; those that
// do not leave it alone.
func TestTheReadBufferGrows(t *testing.T) {
	var sizes []int
	feed := make(chan []byte)
	ours, theirs := net.Pipe()
	sh := &shim{Conn: ours}
	sh.read = func(p []byte) (int, error) {
		sizes = append(sizes, len(p))
		b, ok := <-feed
		if !ok {
			return 0, io.EOF
		}
		return copy(p, b), nil
	}
	s := start(t, sh, false)
	go io.Copy(io.Discard, theirs)
	defer theirs.Close()
	// A stream of frames that nobody answers, cut where the test likes.
	stream := frame(codec.Open, 1, nil)
	for len(stream) < 300_000 {
		stream = append(stream, frame(codec.FirstExtension, 0, make([]byte, 4096))...)
	}
	next := func(n int) {
		feed <- stream[:n]
		stream = stream[n:]
	}
	for _, n := range []int{100, 4095, 4096, 8191, 8192, 100, 16384, 32768, 65536, 65536, 10} {
		next(n)
	}
	close(feed)
	s.wantOver()
	want := []int{4096, 4096, 4096, 8192, 8192, 16384, 16384, 32768, 65536, 65536, 65536, 65536}
	if len(sizes) != len(want) {
		t.Fatalf("reads of %v", sizes)
	}
	for i := range want {
		if sizes[i] != want[i] {
			t.Fatalf("reads of %v, want %v", sizes, want)
		}
	}
}

// The last bytes and the end of the stream may come from one Read.
func TestBytesWithTheEnd(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	go io.Copy(io.Discard, theirs)
	all := append(frame(codec.Open, 1, nil), frame(codec.Data, 1, []byte("last words"))...)
	s := start(t, &shim{Conn: ours, read: func(p []byte) (int, error) { return copy(p, all), io.EOF }}, false)
	s.wantOver()
	if string(s.received) != "last words" {
		t.Errorf("received %q", s.received)
	}
	if end := s.end(); !errors.Is(end.Err, io.ErrUnexpectedEOF) {
		t.Errorf("the end: %+v", end)
	}
}

// Deadlines are kept by a timer, on an idle connection too.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		begin := time.Now()
		s := start(t, ours, false, func(c *core.Config) { c.Timeouts.FirstFrame = 3 * time.Second })
		<-s.conn.Done()
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("ended after %v", took)
		}
		s.wantOver()
		if end := s.end(); end.Code != codec.Timeout {
			t.Errorf("the end: %+v", end)
		}
	})
	// The keep-alive: two PINGs, then the end.
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		begin := time.Now()
		s := start(t, ours, true)
		read := make(chan string, 10)
		go func() {
			p := &peer{t, theirs, nil}
			p.r = newPeer(t, theirs).r
			theirs.SetDeadline(time.Time{})
			for {
				kind, _, err := p.read()
				if err != nil {
					close(read)
					return
				}
				read <- kind + " " + time.Since(begin).String()
			}
		}()
		var got []string
		for s := range read {
			got = append(got, s)
		}
		if len(got) != 3 || got[0] != "PING 0 30s" || got[1] != "PING 0 1m0s" || got[2] != "ERROR 0 1m30s" {
			t.Errorf("came: %q", got)
		}
		s.wantOver()
	})
}

// A deadline that comes earlier than the one that is set moves the timer.
func TestAnEarlierDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		go io.Copy(io.Discard, theirs)
		s := serve(t, ours, true)
		time.Sleep(7 * time.Second)
		ch := s.open() // answered within 10 s, or not at all
		time.Sleep(10*time.Second - time.Millisecond)
		synctest.Wait()
		if !s.conn.Loop.Arena.Live(ch) {
			t.Error("given up before its time")
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if s.conn.Loop.Arena.Live(ch) {
			t.Error("still waiting for its answer")
		}
	})
}

// The application may end a connection in its first call.
func TestEndedBeforeItBegan(t *testing.T) {
	for _, tr := range transports[:2] {
		t.Run(tr.name, func(t *testing.T) {
			ours, theirs := tr.make(t)
			defer theirs.Close()
			s := start(t, ours, false)
			s.conn.Abort(core.End{Code: codec.Cancelled})
			s.wantOver()
			if s.ups != 1 {
				t.Errorf("Up was called %d times", s.ups)
			}
		})
	}
}

// A hundred goroutines send, and the first write does not return before all have. What they sent leaves
// together.
func TestManySendersShareAWrite(t *testing.T) {
	const senders = 100
	ours, theirs := net.Pipe()
	enter, leave := make(chan bool, 1000), make(chan bool)
	var writes atomic.Int64
	s := serve(t, &shim{Conn: ours, write: func(p []byte) (int, error) {
		writes.Add(1)
		enter <- true
		<-leave
		return len(p), nil
	}}, true)
	defer theirs.Close()
	channels := make([]core.Handle, senders)
	for i := range channels {
		channels[i] = s.open()
	}
	<-enter // some of the OPENs are being written
	var wg sync.WaitGroup
	for _, ch := range channels {
		wg.Go(func() {
			if r := s.send(ch, pattern(64, 0)); r != core.SendOK {
				t.Errorf("not sent: %v", r)
			}
		})
	}
	wg.Wait()
	close(leave)
	const bytes = senders * (2*codec.HeaderSize + 64)
	s.waitWritten(bytes)
	if n := writes.Load(); n > 3 {
		t.Errorf("%d writes for 200 frames, want 2", n)
	}
	if n := s.conn.Loop.Stats.Writes.Load(); n != uint64(writes.Load()) {
		t.Errorf("%d writes counted of %d", n, writes.Load())
	}
}

// The writer, woken by the first of many that are about to send, lets the others go first. On one
// processor that is to be seen: they all run before it does.
func TestTheWriterYields(t *testing.T) {
	const senders = 100
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	ours, theirs := net.Pipe()
	defer theirs.Close()
	var writes atomic.Int64
	s := serve(t, &shim{Conn: ours, write: func(p []byte) (int, error) {
		writes.Add(1)
		return len(p), nil
	}}, true)
	ch := s.open()
	s.waitWritten(codec.HeaderSize)
	for round := range 10 {
		before, written := writes.Load(), s.conn.Loop.Stats.BytesOut.Load()
		begin := make(chan bool)
		var wg sync.WaitGroup
		for range senders {
			wg.Go(func() {
				<-begin
				s.send(ch, pattern(64, 0))
			})
		}
		for range 10 { // until all of them wait
			runtime.Gosched()
		}
		close(begin)
		wg.Wait()
		s.waitWritten(written + senders*(codec.HeaderSize+64))
		if n := writes.Load() - before; n > senders/10 {
			t.Fatalf("round %d: %d writes for %d senders", round, n, senders)
		}
	}
}

// Posting never waits, even while the connection's mutex is held and a write does not return.
func TestPostingDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		s := serve(t, ours, true)
		ch := s.open() // the pipe is not read: the write waits
		synctest.Wait()
		s.conn.mu.Lock()
		done := make(chan bool)
		go func() {
			for range 1000 {
				s.conn.Loop.Post(loop.Op{Kind: loop.Collect, Conn: &s.lc, Channel: ch})
			}
			close(done)
		}()
		synctest.Wait()
		select {
		case <-done:
		default:
			t.Error("a post waits for who is inside")
		}
		s.conn.mu.Unlock()
		theirs.Close()
	})
}
