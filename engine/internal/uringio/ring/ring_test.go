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

var small = Config{Entries: 8, Completions: 16, Buffers: 4, BufferSize: 1024, SendBytes: 4096}

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
	cqes := make([]CQE, max(want, 1))
	n := 0
	for deadline := time.Now().Add(time.Second); ; {
		if err := r.Enter(uint32(want-n), time.Second); err != nil {
			t.Fatal(err)
		}
		if n += r.Reap(cqes[n:]); n >= want || time.Now().After(deadline) {
			break
		}
	}
	if n != want {
		t.Fatalf("%d completions, want %d: %+v", n, want, cqes[:n])
	}
	return cqes[:n]
}

// Whoever waits for five and gets one, or none, has the wait end when its time is over.
func TestEnterWaitsForSeveral(t *testing.T) {
	r := start(t, small)
	a, b := pair(t)
	r.Poll(b, unix.POLLIN, 7)
	for want := range 2 {
		for _, timeout := range []time.Duration{brief / 10, 2 * brief} {
			if err := r.Enter(5, timeout); err != nil {
				t.Fatal(err)
			}
		}
		if n := r.Reap(make([]CQE, 8)); n != want {
			t.Fatalf("%d completions, want %d", n, want)
		}
		if _, err := unix.Write(a, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
}

// What comes shows without a call, until it is reaped.
func TestPending(t *testing.T) {
	if !CanSpin {
		t.Skip("giouring does not tell")
	}
	r := start(t, small)
	a, b := pair(t)
	r.Poll(b, unix.POLLIN, 7)
	enter(t, r, 0)
	if r.Pending() {
		t.Error("something is pending, though nothing came")
	}
	if _, err := unix.Write(a, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if !r.Pending() {
		t.Error("nothing is pending")
	}
	if err := r.Enter(0, Forever); err != nil {
		t.Fatal(err)
	}
	if !r.Pending() {
		t.Error("nothing is pending, though a completion is to be reaped")
	}
	if n := r.Reap(make([]CQE, 8)); n != 1 || r.Pending() {
		t.Errorf("%d completions; more pending: %v", n, r.Pending())
	}
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
		copy(r.Send(a, len(want), 8), want)
		var p []byte
		for len(p) < len(want) {
			if err := r.Enter(1, time.Second); err != nil {
				t.Fatal(err)
			}
			cqes := make([]CQE, 64)
			for _, c := range cqes[:r.Reap(cqes)] {
				some, ok := r.Buffer(c)
				if c.Data != 7 || !ok || !c.More() {
					t.Fatalf("%d: %+v", i, c)
				}
				p = append(p, some...)
				r.Done(c)
			}
		}
		if fails, sure := r.Failed(); !bytes.Equal(p, want) || len(fails) > 0 || !sure {
			t.Fatalf("%d: received %d bytes, %v", i, len(p), fails)
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
	const n = 1 << 20
	large := small
	large.SendBytes = 2 * n
	r := start(t, large)
	a, _ := pair(t)
	r.Send(a, n, 1)
	r.Send(a, n, 2)
	r.Poll(a, unix.POLLOUT, 3)
	got := enter(t, r, 2)
	if m := got[0].Res; m <= 0 || m == n || !got[0].IsSend() || got[0].Request() != 1 {
		t.Errorf("a full socket took %d bytes", m)
	}
	if fails, sure := r.Failed(); len(fails) != 2 || fails[0] != got[0] || fails[1] != got[1] || !sure {
		t.Errorf("failed sends: %+v", fails)
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
	for range 4 {
		if r.Send(a, small.SendBytes/4, 0) == nil {
			t.Fatal("no room")
		}
	}
	if r.Send(a, 1, 0) != nil {
		t.Error("more bytes to send than there is memory for")
	}
	n := 4
	for ; r.Poll(b, unix.POLLIN, uint64(n)); n++ {
	}
	if n != small.Entries {
		t.Errorf("%d requests in a queue of %d", n, small.Entries)
	}
	enter(t, r, n-4) // sends that succeed do not complete
	if r.Send(a, small.SendBytes, 0) == nil {
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
	if Allocates {
		t.Skip("giouring does")
	}
	r := start(t, small)
	a, b := pair(t)
	r.Recv(b, 7)
	cqes := make([]CQE, 8)
	if n := testing.AllocsPerRun(1000, func() {
		r.Send(a, 64, 8)
		r.Enter(1, Forever)
		for i := range r.Reap(cqes) {
			if _, ok := r.Buffer(cqes[i]); ok {
				r.Done(cqes[i])
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
