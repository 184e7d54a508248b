//go:build linux

package sock

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/panjf2000/gnet/v2/pkg/socket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openDescriptors counts the descriptors of this process.
func openDescriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// noneLeft checks, when the test is over, that it left no descriptor open.
func noneLeft(t *testing.T) {
	t.Helper()
	before := openDescriptors(t)
	t.Cleanup(func() {
		if after := openDescriptors(t); after != before {
			t.Errorf("%d descriptors, %d before", after, before)
		}
	})
}

// listen listens, closes the socket when the test is over, and returns the address to dial.
func listen(t *testing.T, addr string, o Options) (fd int, dial string) {
	t.Helper()
	fd, err := Listen(addr, o)
	if err != nil {
		t.Fatalf("listening on %s: %v", addr, err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	local, remote := Addrs(fd)
	if remote != nil {
		t.Errorf("a listening socket has a peer: %v", remote)
	}
	return fd, local.String()
}

// accept waits for a connection and returns its descriptor.
func accept(t *testing.T, listener int) int {
	t.Helper()
	wait(t, listener, unix.POLLIN)
	fd, _, err := socket.Accept(listener)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// wait waits until a descriptor is ready.
func wait(t *testing.T, fd int, events int16) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: events}}, 1000)
		if n > 0 {
			return
		}
		if err != nil && err != unix.EINTR {
			t.Fatal(err)
		}
	}
	t.Fatal("a descriptor does not become ready")
}

func nonblocking(t *testing.T, fd int) bool {
	t.Helper()
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	return flags&unix.O_NONBLOCK != 0
}

// A socket that listens is found where it says, does not block, and is not inherited by other programs.
func TestListen(t *testing.T) {
	noneLeft(t)
	for _, c := range []struct{ addr, network, want string }{
		{"127.0.0.1:0", "tcp", "127.0.0.1:"},
		{"localhost:0", "tcp", ":"},
		{":0", "tcp", ":"},
		{"unix:" + filepath.Join(t.TempDir(), "socket"), "unix", "/socket"},
		{filepath.Join(t.TempDir(), "socket"), "unix", "/socket"},
		{"unix:@sscd-test-listen", "unix", "@sscd-test-listen"},
	} {
		fd, addr := listen(t, c.addr, Options{})
		if !strings.Contains(addr, c.want) || strings.HasSuffix(addr, ":0") {
			t.Errorf("%s: listens on %s", c.addr, addr)
		}
		if !nonblocking(t, fd) {
			t.Errorf("%s: accept would block", c.addr)
		}
		if flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s: other programs inherit it", c.addr)
		}
		nc, err := net.Dial(c.network, addr)
		if err != nil {
			t.Errorf("%s: %v", c.addr, err)
			continue
		}
		conn := accept(t, fd)
		local, remote := Addrs(conn)
		if local.String() != nc.RemoteAddr().String() {
			t.Errorf("%s: accepted on %v, dialled to %v", c.addr, local, nc.RemoteAddr())
		}
		if c.network == "tcp" && remote.String() != nc.LocalAddr().String() {
			t.Errorf("%s: accepted from %v, dialled from %v", c.addr, remote, nc.LocalAddr())
		}
		nc.Close()
	}
}

// All options are set on the listening socket, and what it accepts has them too.
func TestOptionsAreInherited(t *testing.T) {
	noneLeft(t)
	o := Options{
		ReadBuffer: 40_000, WriteBuffer: 50_000, Nagle: true, NotSentLowat: 12_345, UserTimeout: 7 * time.Second,
		ReusePort: true, Backlog: 10,
	}
	fd, addr := listen(t, "127.0.0.1:0", o)
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for name, fd := range map[string]int{"listening": fd, "accepted": accept(t, fd)} {
		got, err := Effective(fd)
		if err != nil {
			t.Fatal(err)
		}
		if got.ReadBuffer != 80_000 || got.WriteBuffer != 100_000 {
			t.Errorf("%s: buffers of %d and %d bytes, asked for 40,000 and 50,000, which are doubled",
				name, got.ReadBuffer, got.WriteBuffer)
		}
		if !got.Nagle || got.NotSentLowat != 12_345 || got.UserTimeout != 7*time.Second || !got.ReusePort {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// The zero Options leave what the kernel chose, but for Nagle's algorithm.
func TestNoOptions(t *testing.T) {
	noneLeft(t)
	fd, _ := listen(t, "127.0.0.1:0", Options{})
	plain, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(plain)
	want, err := Effective(plain)
	if err != nil {
		t.Fatal(err)
	}
	if !want.Nagle {
		t.Error("Nagle's algorithm is off on a fresh socket")
	}
	got, err := Effective(fd)
	if err != nil {
		t.Fatal(err)
	}
	want.Nagle = false
	if got != want {
		t.Errorf("%+v, want the kernel's %+v", got, want)
	}
}

// A backlog that was asked for is the one that listen(2) got; it shows as the Send-Q of a socket.
func TestBacklog(t *testing.T) {
	noneLeft(t)
	fd, _ := listen(t, "127.0.0.1:0", Options{Backlog: 3})
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		t.Fatal(err)
	}
	if info.Sacked != 3 { // tcp_get_info puts sk_max_ack_backlog there
		t.Errorf("a backlog of %d, want 3", info.Sacked)
	}
}

// The same for a Unix socket, of which the kernel does not tell: who comes when it is full is turned away.
func TestBacklogOfAUnixSocket(t *testing.T) {
	noneLeft(t)
	_, addr := listen(t, "unix:"+filepath.Join(t.TempDir(), "socket"), Options{Backlog: 3})
	n := 0
	for ; n < 10; n++ {
		nc, err := net.Dial("unix", addr)
		if err != nil {
			break
		}
		defer nc.Close()
	}
	if n != 4 { // the kernel takes one more than it was told
		t.Errorf("%d connections wait, want 4", n)
	}
}

// Several sockets share a port only if all of them want that.
func TestReusePort(t *testing.T) {
	noneLeft(t)
	_, addr := listen(t, "127.0.0.1:0", Options{ReusePort: true})
	listen(t, addr, Options{ReusePort: true})
	if fd, err := Listen(addr, Options{}); err == nil {
		unix.Close(fd)
		t.Error("a socket that does not share its port got a shared one")
	}
}

// A port whose connections are still waiting to be forgotten can be listened on again at once.
func TestListenAgain(t *testing.T) {
	noneLeft(t)
	fd, err := Listen("127.0.0.1:0", Options{})
	if err != nil {
		t.Fatal(err)
	}
	local, _ := Addrs(fd)
	nc, err := net.Dial("tcp", local.String())
	if err != nil {
		t.Fatal(err)
	}
	wait(t, fd, unix.POLLIN)
	conn, _, err := socket.Accept(fd)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(conn) // first, so that this end is in TIME_WAIT
	io.ReadAll(nc)
	nc.Close()
	unix.Close(fd)
	listen(t, local.String(), Options{})
}

// What can't be listened on is said in words, and nothing is left open.
func TestListenErrors(t *testing.T) {
	noneLeft(t)
	_, busy := listen(t, "127.0.0.1:0", Options{})
	path := filepath.Join(t.TempDir(), "socket")
	listen(t, "unix:"+path, Options{})
	before := openDescriptors(t)
	for _, c := range []struct {
		addr string
		o    Options
		is   error
		says string
	}{
		{addr: busy, is: unix.EADDRINUSE, says: "bind"},
		{addr: busy, o: Options{ReusePort: true}, is: unix.EADDRINUSE, says: "bind"},
		{addr: "192.0.2.1:0", is: unix.EADDRNOTAVAIL, says: "bind"},
		{addr: "127.0.0.1", says: "missing port"},
		{addr: "127.0.0.1:http:80", says: "too many colons"},
		{addr: "127.0.0.1:70000", says: "invalid port"},
		{addr: "127.0.0.1:no-such-port", says: "no-such-port"},
		{addr: "unix:" + path, is: unix.EADDRINUSE, says: "bind"},
		{addr: "unix:" + filepath.Join(path, "x"), is: unix.ENOTDIR, says: "bind"},
		{addr: "unix:" + strings.Repeat("x", 200), is: unix.EINVAL, says: "bind"},
		{addr: "unix:" + path + "2", o: Options{ReusePort: true}, is: ErrReusePort, says: "Unix"},
		{addr: "127.0.0.1:0", o: Options{UserTimeout: 1 << 31 * time.Millisecond}, is: unix.EINVAL, says: "TCP_USER_TIMEOUT"},
	} {
		fd, err := Listen(c.addr, c.o)
		if err == nil {
			t.Errorf("%s: no error", c.addr)
			unix.Close(fd)
			continue
		}
		if c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q of %v", c.addr, err, c.says, c.is)
		}
	}
	if after := openDescriptors(t); after != before {
		t.Errorf("%d descriptors after the errors, %d before", after, before)
	}
}

// An option that can't be set is named, with the value that was refused.
func TestApplyNamesTheOption(t *testing.T) {
	noneLeft(t)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0) // these have no TCP options
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	fd, _ := listen(t, "127.0.0.1:0", Options{})
	for _, c := range []struct {
		fd   int
		o    Options
		says string
	}{
		{pair[0], Options{}, "TCP_NODELAY to 1"},
		{pair[0], Options{Nagle: true}, "TCP_NODELAY to 0"},
		{fd, Options{UserTimeout: 1 << 31 * time.Millisecond}, "TCP_USER_TIMEOUT"},
		{-1, Options{ReadBuffer: 5000}, "SO_RCVBUF to 5000"},
		{-1, Options{WriteBuffer: 5000}, "SO_SNDBUF to 5000"},
	} {
		err := Apply(c.fd, c.o)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.says)
		}
		var errno unix.Errno
		if !errors.As(err, &errno) {
			t.Errorf("%+v: %v does not say which errno", c.o, err)
		}
	}
	if err := ReusePort(-1); err == nil || !strings.Contains(err.Error(), "SO_REUSEPORT") {
		t.Errorf("SO_REUSEPORT: %v", err)
	}
	if _, err := Effective(-1); err == nil || !strings.Contains(err.Error(), "getsockopt") {
		t.Errorf("options of no socket: %v", err)
	}
}

// A Unix socket has sizes of buffers and no more.
func TestEffectiveOfAUnixSocket(t *testing.T) {
	noneLeft(t)
	fd, _ := listen(t, "unix:"+filepath.Join(t.TempDir(), "socket"), Options{})
	o, err := Effective(fd)
	if err != nil {
		t.Fatal(err)
	}
	if o.ReadBuffer == 0 || o.WriteBuffer == 0 {
		t.Errorf("no buffers: %+v", o)
	}
	if o.ReadBuffer, o.WriteBuffer = 0, 0; o != (Options{}) {
		t.Errorf("a Unix socket says %+v", o)
	}
}

// Quick ACKs are set again whenever the kernel took them back.
func TestQuickAck(t *testing.T) {
	noneLeft(t)
	l, addr := listen(t, "127.0.0.1:0", Options{})
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fd := accept(t, l)
	for range 2 {
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0)
		QuickAck(fd)
		if o, err := Effective(fd); err != nil || !o.QuickAck {
			t.Errorf("after QuickAck: %+v, %v", o, err)
		}
	}
}

// A connection that package net dialled goes on under a descriptor of ours, which does not block.
func TestTake(t *testing.T) {
	noneLeft(t)
	for _, addr := range []string{"127.0.0.1:0", "unix:" + filepath.Join(t.TempDir(), "socket")} {
		network, _ := Network(addr)
		l, dial := listen(t, addr, Options{})
		nc, err := net.Dial(network, dial)
		if err != nil {
			t.Fatal(err)
		}
		peer := accept(t, l)
		before := openDescriptors(t)
		fd, err := Take(nc)
		if err != nil {
			t.Fatal(err)
		}
		if after := openDescriptors(t); after != before {
			t.Errorf("%s: %d descriptors after Take, %d before", network, after, before)
		}
		if _, err := nc.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: the net.Conn still works: %v", network, err)
		}
		if !nonblocking(t, fd) {
			t.Errorf("%s: reads would block", network)
		}
		if _, err := unix.Read(fd, make([]byte, 10)); err != unix.EAGAIN {
			t.Errorf("%s: reading when there is nothing: %v", network, err)
		}
		if flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s: other programs inherit it", network)
		}
		for from, to := range map[int]int{fd: peer, peer: fd} {
			unix.Write(from, []byte("hello"))
			wait(t, to, unix.POLLIN)
			buf := make([]byte, 10)
			if n, err := unix.Read(to, buf); string(buf[:max(n, 0)]) != "hello" {
				t.Errorf("%s: %q, %v", network, buf[:max(n, 0)], err)
			}
		}
		unix.Close(fd)
	}
}

// What has no descriptor, or has it no more, can't be taken, and stays as it was.
func TestTakeErrors(t *testing.T) {
	noneLeft(t)
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if _, err := Take(a); err == nil || !strings.Contains(err.Error(), "has no descriptor") {
		t.Errorf("a pipe: %v", err)
	}
	go a.Write([]byte("x"))
	if _, err := io.ReadFull(b, make([]byte, 1)); err != nil {
		t.Errorf("the pipe does not work any more: %v", err)
	}

	l, addr := listen(t, "127.0.0.1:0", Options{})
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	accept(t, l)
	nc.Close()
	if _, err := Take(nc); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed connection: %v", err)
	}
	boom := errors.New("boom")
	if nc, err = net.Dial("tcp", addr); err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := Control(nc, func(int) error { return boom }); err != boom {
		t.Errorf("what the function said: %v", err)
	}
}

// pieces cuts n bytes into pieces of size.
func pieces(pieces, size int) (all []byte, cut [][]byte) {
	for i := range pieces * size {
		all = append(all, byte(i)^byte(i>>8)^byte(i>>16))
	}
	for i := range pieces {
		cut = append(cut, all[i*size:(i+1)*size])
	}
	return all, cut
}

// One piece, a few, as many as the kernel takes: all arrive in order, and the pieces are not kept alive.
func TestWritev(t *testing.T) {
	noneLeft(t)
	l, addr := listen(t, "127.0.0.1:0", Options{})
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fd := accept(t, l)
	iov := make([]unix.Iovec, 1024)
	for _, n := range []int{1, 2, 3, 1023, 1024} {
		all, cut := pieces(n, 61)
		written, err := Writev(fd, cut, iov)
		if err != nil || written != len(all) {
			t.Fatalf("%d pieces: %d of %d bytes, %v", n, written, len(all), err)
		}
		got := make([]byte, len(all))
		if _, err := io.ReadFull(nc, got); err != nil || !bytes.Equal(got, all) {
			t.Fatalf("%d pieces: other bytes arrive, %v", n, err)
		}
		for i := range iov {
			if iov[i].Base != nil {
				t.Fatalf("%d pieces: piece %d is kept alive", n, i)
			}
		}
	}
}

// A socket that is almost full takes a part, a full one none, and one whose peer is gone says so.
func TestWritevToAFullSocket(t *testing.T) {
	noneLeft(t)
	l, addr := listen(t, "127.0.0.1:0", Options{WriteBuffer: 5000})
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	fd := accept(t, l)
	iov := make([]unix.Iovec, 1024)
	all, cut := pieces(1024, 1000)
	for _, n := range []int{1, 2, 1024} {
		var want []byte // each call begins again
		part := false
		for {
			k, err := Writev(fd, cut[:n], iov)
			if err == unix.EAGAIN {
				break
			}
			if err != nil || k > n*1000 {
				t.Fatalf("%d pieces: %d bytes, %v", n, k, err)
			}
			part = part || k < n*1000
			want = append(want, all[:k]...)
		}
		if n == 1024 && !part {
			t.Errorf("%d bytes were never taken in part", len(all))
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(nc, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d pieces: other bytes arrive than were taken, %v", n, err)
		}
		wait(t, fd, unix.POLLOUT)
	}
	nc.Close()
	for _, n := range []int{1, 2} {
		deadline := time.Now().Add(10 * time.Second)
		_, err := Writev(fd, cut[:n], iov)
		for (err == nil || err == unix.EAGAIN) && time.Now().Before(deadline) {
			_, err = Writev(fd, cut[:n], iov)
		}
		if err != unix.EPIPE && err != unix.ECONNRESET {
			t.Errorf("%d pieces to nobody: %v", n, err)
		}
	}
}

func TestWritevDoesNotAllocate(t *testing.T) {
	null, err := unix.Open("/dev/null", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(null)
	iov := make([]unix.Iovec, 1024)
	for _, n := range []int{1, 2, 1024} {
		_, cut := pieces(n, 10)
		allocs := testing.AllocsPerRun(100, func() {
			if k, err := Writev(null, cut, iov); k != 10*n || err != nil {
				t.Fatal(k, err)
			}
		})
		if allocs != 0 {
			t.Errorf("%d pieces: %v allocations", n, allocs)
		}
	}
}

func BenchmarkWritev(b *testing.B) {
	null, err := unix.Open("/dev/null", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(null)
	iov := make([]unix.Iovec, 1024)
	_, cut := pieces(64, 1024)
	b.ReportAllocs()
	for b.Loop() {
		Writev(null, cut, iov)
	}
}

// The two ends of connections over IPv4 and IPv6 are what package net says, and cost nothing.
func TestAddrPorts(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Skip(err)
		}
		defer l.Close()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		err = Control(c, func(fd int) error {
			local, remote := AddrPorts(fd)
			if local.String() != c.LocalAddr().String() || remote.String() != c.RemoteAddr().String() {
				t.Errorf("%v and %v, want %v and %v", local, remote, c.LocalAddr(), c.RemoteAddr())
			}
			if n := testing.AllocsPerRun(100, func() { AddrPorts(fd) }); n > 0 {
				t.Errorf("%v allocations", n)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if local, remote := AddrPorts(-1); local.IsValid() || remote.IsValid() {
		t.Errorf("no socket has %v and %v", local, remote)
	}
}
