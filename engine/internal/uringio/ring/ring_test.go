//go:build linux

package ring

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// open makes a ring of this test's thread.
func start(t *testing.T, c Config) *Ring {
	t.Helper()
	runtime.LockOSThread()
	r, err := New(c)
	if err != nil {
		runtime.UnlockOSThread()
		t.Skip("no io_uring: ", err)
	}
	t.Cleanup(func() { r.Close(); runtime.UnlockOSThread() })
	if err := r.Enable(); err != nil {
		t.Fatal(err)
	}
	return r
}

var small = Config{Entries: 8, Completions: 16, Buffers: 4, BufferSize: 1024, Sends: 4}

func pair(t *testing.T) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) })
	return fds[0], fds[1]
}

// enter submits and returns what completes, of which there must be so many.
func enter(t *testing.T, r *Ring, want int) []CQE {
	t.Helper()
	if err := r.Enter(uint32(want), time.Second); err != nil {
		t.Fatal(err)
	}
	cqes := make([]CQE, max(want, 1))
	n := r.Reap(cqes)
	if n != want {
		t.Fatalf("%d completions, want %d: %+v", n, want, cqes[:n])
	}
	return cqes[:n]
}

func TestSendAndReceive(t *testing.T) {
	r := start(t, small)
	a, b := pair(t)
	if !r.Recv(b, 7) {
		t.Fatal("the queue is full")
	}
	enter(t, r, 0)
	for i := range 3 * small.Buffers {
		want := bytes.Repeat([]byte{byte(i)}, 300)
		if !r.Send(a, [][]byte{want[:100], want[100:]}, 8) {
			t.Fatal("the queue is full")
		}
		if got := enter(t, r, 1); got[0].Data != 8 || got[0].Res != 300 || got[0].More() {
			t.Fatalf("sending completed with %+v", got[0])
		}
		var all []byte // in two parts where a buffer that is filled goes on comes to its end
		for len(all) < len(want) {
			got := enter(t, r, 1)[0]
			p, ok := r.Buffer(got)
			if got.Data != 7 || !ok || !got.More() {
				t.Fatalf("%d: received %d bytes: %+v", i, len(p), got)
			}
			all = append(all, p...)
			r.Done(got)
		}
		if !bytes.Equal(all, want) {
			t.Fatalf("%d: other bytes", i)
		}
	}
	unix.Shutdown(a, unix.SHUT_WR)
	if got := enter(t, r, 1); got[0].Res != 0 || got[0].More() {
		t.Fatalf("the peer's end completed with %+v", got[0])
	}
}

// Without a buffer receiving ends, and nothing is lost.
func TestNoBuffers(t *testing.T) {
	r := start(t, small)
	a, b := pair(t)
	want := make([]byte, (small.Buffers+1)*small.BufferSize)
	for i := range want {
		want[i] = byte(i / 7)
	}
	if _, err := unix.Write(a, want); err != nil {
		t.Fatal(err)
	}
	r.Recv(b, 7)
	var got []byte
	cqes := enter(t, r, small.Buffers+1)
	for _, c := range cqes[:small.Buffers] {
		p, _ := r.Buffer(c)
		got = append(got, p...)
	}
	if last := cqes[small.Buffers]; last.Err() != unix.ENOBUFS || last.More() {
		t.Fatalf("without buffers: %+v", last)
	}
	for _, c := range cqes[:small.Buffers] {
		r.Done(c)
	}
	r.Recv(b, 7)
	p, _ := r.Buffer(enter(t, r, 1)[0])
	if !bytes.Equal(append(got, p...), want) {
		t.Error("other bytes were received")
	}
}

// A full socket takes a part, or nothing, and a send never waits.
func TestAFullSocket(t *testing.T) {
	r := start(t, small)
	a, _ := pair(t)
	p := make([]byte, 8<<20)
	r.Send(a, [][]byte{p}, 1)
	r.Send(a, [][]byte{p}, 2)
	r.Poll(a, unix.POLLOUT, 3)
	got := enter(t, r, 2)
	if n := got[0].Res; n <= 0 || int(n) == len(p) {
		t.Errorf("a full socket took %d bytes", n)
	}
	if err := got[1].Err(); err != unix.EAGAIN {
		t.Errorf("a full socket: %v", err)
	}
	r.Cancel(a, 4)
	got = enter(t, r, 2)
	slot := 0
	if got[1].Data == 3 {
		slot = 1
	}
	if got[slot].Err() != unix.ECANCELED || got[1-slot].Res != 1 {
		t.Errorf("cancelling: %+v", got)
	}
}

func TestTheQueueIsBounded(t *testing.T) {
	r := start(t, small)
	a, b := pair(t)
	for i := range small.Sends {
		if !r.Send(a, [][]byte{{1}}, uint64(i)) {
			t.Fatalf("send %d is too many", i)
		}
	}
	if r.Send(a, [][]byte{{1}}, 0) {
		t.Error("more sends than there is memory for")
	}
	n := small.Sends
	for ; r.Poll(b, unix.POLLIN, uint64(n)); n++ {
	}
	if n != small.Entries {
		t.Errorf("%d requests in a queue of %d", n, small.Entries)
	}
	enter(t, r, n)
	if !r.Send(a, [][]byte{{1}}, 0) {
		t.Error("there is room after Enter")
	}
}

// More completions than there is room for are kept by the kernel.
func TestOverflow(t *testing.T) {
	r := start(t, small)
	_, b := pair(t)
	const n = 5
	for range n {
		for range small.Entries {
			if !r.Poll(b, unix.POLLOUT, 1) {
				t.Fatal("no room")
			}
		}
		if err := r.Enter(0, 0); err != nil && err != unix.EBUSY {
			t.Fatal(err)
		}
	}
	if waiting, lost := r.Overflowed(); !waiting || lost != 0 {
		t.Errorf("%d completions in a queue of %d: waiting %v, lost %d", n*small.Entries, small.Completions, waiting, lost)
	}
	got := 0
	cqes := make([]CQE, 64)
	for range 10 {
		got += r.Reap(cqes)
		r.Enter(0, 0)
	}
	if got != n*small.Entries {
		t.Errorf("%d completions of %d", got, n*small.Entries)
	}
}

func TestTimeout(t *testing.T) {
	r := start(t, small)
	began := time.Now()
	if err := r.Enter(1, 20*time.Millisecond); err != nil {
		t.Error(err)
	}
	if d := time.Since(began); d < 20*time.Millisecond {
		t.Errorf("the timeout came after %v", d)
	}
}

// A ring does what it is made for and nothing else.
func TestRestrictions(t *testing.T) {
	r := start(t, small)
	e := r.next()
	e.opcode = 28 // IORING_OP_OPENAT2
	if got := enter(t, r, 1); got[0].Err() != unix.EACCES {
		t.Errorf("another operation: %v", got[0].Err())
	}
}

func TestAccept(t *testing.T) {
	r := start(t, small)
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(l)
	if err := unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	unix.Listen(l, 8)
	addr, _ := unix.Getsockname(l)
	r.Accept(l, 5)
	for range 3 {
		c, _ := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		defer unix.Close(c)
		if err := unix.Connect(c, addr); err != nil {
			t.Fatal(err)
		}
		got := enter(t, r, 1)
		if got[0].Data != 5 || got[0].Res <= 0 || !got[0].More() {
			t.Fatalf("accepting: %+v", got[0])
		}
		unix.Close(int(got[0].Res))
	}
}

// Sending and receiving allocate nothing.
func TestNoAllocation(t *testing.T) {
	r := start(t, small)
	a, b := pair(t)
	r.Recv(b, 7)
	msg := [][]byte{make([]byte, 64)}
	cqes := make([]CQE, 8)
	if n := testing.AllocsPerRun(1000, func() {
		r.Send(a, msg, 8)
		r.Enter(2, Forever)
		for i := range r.Reap(cqes) {
			if _, ok := r.Buffer(cqes[i]); ok {
				r.Done(cqes[i])
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The collector runs while memory is sent that is new each time, and old the next time: it must not find the old one.
func TestSendingWhileTheCollectorRuns(t *testing.T) {
	r := start(t, small)
	a, b := pair(t)
	ballast := make([]*int, 1<<18) // has the collector mark for a while
	for i := range ballast {
		ballast[i] = new(int)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	buf := make([]byte, 128<<10)
	for begin, i := time.Now(), 0; time.Since(begin) < 300*time.Millisecond; i++ {
		p := bytes.Repeat([]byte{byte(i)}, 33<<10) // a span of its own, which is freed
		if !r.Send(a, [][]byte{p[:5], p[5:]}, 1) {
			t.Fatal("the queue is full")
		}
		if got := enter(t, r, 1)[0]; int(got.Res) != len(p) {
			t.Fatalf("%d: sending completed with %+v", i, got)
		}
		n, err := unix.Read(b, buf)
		if n != len(p) || err != nil || buf[0] != byte(i) || buf[n-1] != byte(i) {
			t.Fatalf("%d: %d bytes, or others, %v", i, n, err)
		}
		runtime.GC() // frees it
	}
	close(stop)
	<-stopped
	runtime.KeepAlive(ballast)
}
