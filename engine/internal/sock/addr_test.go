//go:build linux

package sock

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNetwork(t *testing.T) {
	for _, c := range []struct{ addr, network, rest string }{
		{"host:80", "tcp", "host:80"}, {":0", "tcp", ":0"}, {"[::1]:80", "tcp", "[::1]:80"},
		{"unix:/a/b", "unix", "/a/b"}, {"unix:", "unix", ""}, {"unixhost:80", "tcp", "unixhost:80"},
		{"/a/b", "unix", "/a/b"}, {"./b:80", "unix", "./b:80"}, {"unix:b", "unix", "b"}, {"unix:@b", "unix", "@b"},
		{"b", "tcp", "b"}, {"", "tcp", ""},
	} {
		if network, rest := Network(c.addr); network != c.network || rest != c.rest {
			t.Errorf("%s: %s and %s", c.addr, network, rest)
		}
	}
}

// stale leaves the file of a socket to which nobody listens, as a process that was killed does.
func stale(t *testing.T, path string) {
	t.Helper()
	fd, err := Listen("unix:"+path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	if _, err := os.Lstat(path); err != nil {
		t.Fatal(err)
	}
}

// What a process that died has left is no obstacle; what is somebody's is.
func TestListenOnAStaleSocket(t *testing.T) {
	noneLeft(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "socket")
	for range 2 {
		stale(t, path)
	}
	fd, addr := listen(t, path, Options{})
	nc, err := net.Dial("unix", addr)
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	accept(t, fd)

	file, link, datagrams := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "datagrams")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	stale(t, filepath.Join(dir, "old"))
	if err := os.Symlink(filepath.Join(dir, "old"), link); err != nil {
		t.Fatal(err)
	}
	d, err := net.ListenPacket("unixgram", datagrams)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	bound := filepath.Join(dir, "bound")
	b, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0) // about to listen
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(b)
	if err := unix.Bind(b, &unix.SockaddrUnix{Name: bound}); err != nil {
		t.Fatal(err)
	}
	for _, taken := range []string{path, file, link, dir, datagrams, bound} {
		if fd, err := Listen("unix:"+taken, Options{}); err == nil {
			t.Errorf("%s: listens on what is somebody's", taken)
			unix.Close(fd)
		}
		if _, err := os.Lstat(taken); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := unix.Accept(fd); err != unix.EAGAIN {
		t.Errorf("who listened was troubled: %v", err)
	}
	if nc, err = net.Dial("unix", addr); err != nil {
		t.Fatalf("who listened does not any more: %v", err)
	}
	nc.Close()
}

// An abstract socket has no file, and nothing is removed that happens to be called so.
func TestAbstractSockets(t *testing.T) {
	noneLeft(t)
	t.Chdir(t.TempDir())
	const name = "@sscd-test-abstract"
	stale(t, "./"+name)
	fd, addr := listen(t, "unix:"+name, Options{})
	if fd, err := Listen("unix:"+name, Options{}); err == nil {
		t.Error("two sockets of the same name")
		unix.Close(fd)
	}
	local, _ := Addrs(fd)
	if addr != name {
		t.Errorf("listens on %s", addr)
	}
	Unlink(local)
	if _, err := os.Lstat("./" + name); err != nil {
		t.Errorf("a file is gone that was called like an abstract socket: %v", err)
	}
}

// Only the file of a Unix socket is removed.
func TestUnlink(t *testing.T) {
	noneLeft(t)
	path := filepath.Join(t.TempDir(), "socket")
	fd, _ := listen(t, path, Options{})
	local, _ := Addrs(fd)
	Unlink(local)
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the file of a socket is still there: %v", err)
	}
	Unlink(local) // once more does no harm
	Unlink(nil)
	Unlink(&net.TCPAddr{})
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	Unlink(local)
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("a file is gone that is no socket: %v", err)
	}
}
