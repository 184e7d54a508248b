//go:build linux

package sock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"github.com/panjf2000/gnet/v2/pkg/socket"
	"golang.org/x/sys/unix"
)

// Options are what can be set on a socket. Zero values leave the kernel's default, except that Nagle's
// algorithm is off.
type Options struct {
	ReadBuffer   int           // SO_RCVBUF, bytes
	WriteBuffer  int           // SO_SNDBUF, bytes
	Nagle        bool          // no TCP_NODELAY
	QuickAck     bool          // TCP_QUICKACK, set again after every read
	NotSentLowat int           // TCP_NOTSENT_LOWAT, bytes
	UserTimeout  time.Duration // TCP_USER_TIMEOUT
	Backlog      int           // of listen(2)
	ReusePort    bool          // SO_REUSEPORT: a listening socket for each loop
}

// ErrReusePort means that ReusePort is wanted for a Unix socket.
var ErrReusePort = errors.New("SO_REUSEPORT is not for Unix sockets")

// Listen returns a listening, non-blocking socket. Those it accepts inherit the options, but for
// QuickAck.
func Listen(addr string, o Options) (fd int, err error) {
	if network, rest := Network(addr); network == "unix" {
		fd, err = listenUnix(rest, o)
	} else {
		fd, err = listenTCP(network, rest, o)
	}
	if err != nil {
		return -1, err
	}
	if o.Backlog > 0 {
		if err := Backlog(fd, o.Backlog); err != nil {
			unix.Close(fd)
			return -1, err
		}
	}
	return fd, nil
}

func listenTCP(network, addr string, o Options) (fd int, err error) {
	reuse := []socket.Option[int]{{SetSockOpt: socket.SetReuseAddr, Opt: 1}}
	if o.ReusePort {
		reuse = append(reuse, socket.Option[int]{SetSockOpt: func(fd, _ int) error { return ReusePort(fd) }})
	}
	// The window scale is chosen when the connection begins, so the buffers must be set before.
	reuse = append(reuse, socket.Option[int]{SetSockOpt: func(fd, _ int) error { return Apply(fd, o) }})
	fd, _, err = socket.TCPSocket(network, addr, true, reuse, nil)
	return fd, err
}

func listenUnix(name string, o Options) (fd int, err error) {
	if o.ReusePort {
		return -1, ErrReusePort
	}
	fd, _, err = socket.UnixSocket("unix", name, true, nil, nil)
	if RemoveStale(name, err) {
		fd, _, err = socket.UnixSocket("unix", name, true, nil, nil)
	}
	return fd, err
}

// Backlog changes how many connections wait at a listening socket to be accepted.
func Backlog(fd, n int) error { return os.NewSyscallError("listen", unix.Listen(fd, n)) }

// ReusePort lets others listen on the same port, who want that too. It is to be set before the socket is
// bound.
func ReusePort(fd int) error {
	return os.NewSyscallError("setsockopt SO_REUSEPORT", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
}

// Apply sets the options on a TCP socket, all but Backlog and ReusePort.
func Apply(fd int, o Options) error {
	for _, opt := range []struct {
		name       string
		set        bool
		level, opt int
		value      int
	}{
		{"SO_RCVBUF", o.ReadBuffer > 0, unix.SOL_SOCKET, unix.SO_RCVBUF, o.ReadBuffer},
		{"SO_SNDBUF", o.WriteBuffer > 0, unix.SOL_SOCKET, unix.SO_SNDBUF, o.WriteBuffer},
		{"TCP_NODELAY", true, unix.IPPROTO_TCP, unix.TCP_NODELAY, flag(!o.Nagle)},
		{"TCP_QUICKACK", o.QuickAck, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1},
		{"TCP_NOTSENT_LOWAT", o.NotSentLowat > 0, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, o.NotSentLowat},
		{"TCP_USER_TIMEOUT", o.UserTimeout > 0, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, milliseconds(o.UserTimeout)},
	} {
		if !opt.set {
			continue
		}
		if err := unix.SetsockoptInt(fd, opt.level, opt.opt, opt.value); err != nil {
			return fmt.Errorf("setting %s to %d: %w", opt.name, opt.value, err)
		}
	}
	return nil
}

// Effective returns what the kernel made of the options. It doubles the sizes of buffers for its own
// bookkeeping, and bounds them by net.core.rmem_max and wmem_max.
func Effective(fd int) (o Options, err error) {
	get := func(level, opt int) int {
		v, e := unix.GetsockoptInt(fd, level, opt)
		if e != nil && err == nil {
			err = os.NewSyscallError("getsockopt", e)
		}
		return v
	}
	o.ReadBuffer = get(unix.SOL_SOCKET, unix.SO_RCVBUF)
	o.WriteBuffer = get(unix.SOL_SOCKET, unix.SO_SNDBUF)
	if domain := get(unix.SOL_SOCKET, unix.SO_DOMAIN); domain != unix.AF_INET && domain != unix.AF_INET6 {
		return o, err
	}
	o.ReusePort = get(unix.SOL_SOCKET, unix.SO_REUSEPORT) != 0
	o.Nagle = get(unix.IPPROTO_TCP, unix.TCP_NODELAY) == 0
	o.QuickAck = get(unix.IPPROTO_TCP, unix.TCP_QUICKACK) != 0
	o.NotSentLowat = get(unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT)
	o.UserTimeout = time.Duration(get(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)) * time.Millisecond
	return o, err
}

// QuickAck sets TCP_QUICKACK, which the kernel takes back at will.
func QuickAck(fd int) { unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) }

// Control calls f with the descriptor of a connection or listener of package net, if it has one.
func Control(c any, f func(fd int) error) error {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return fmt.Errorf("%T has no descriptor", c)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	var ferr error
	if err := raw.Control(func(fd uintptr) { ferr = f(int(fd)) }); err != nil {
		return err
	}
	return ferr
}

// Take duplicates the descriptor of a connection of package net and closes the connection. The
// descriptor is the caller's: non-blocking, and unknown to Go's own poller.
func Take(c net.Conn) (fd int, err error) {
	err = Control(c, func(orig int) (err error) {
		fd, err = socket.Dup(orig)
		return err
	})
	if err != nil {
		return -1, err
	}
	c.Close()
	return fd, nil
}

// Addrs returns the two ends of a connected or listening socket; nil for the one there isn't.
func Addrs(fd int) (local, remote net.Addr) {
	if sa, err := unix.Getsockname(fd); err == nil {
		local = socket.SockaddrToTCPOrUnixAddr(sa)
	}
	if sa, err := unix.Getpeername(fd); err == nil {
		remote = socket.SockaddrToTCPOrUnixAddr(sa)
	}
	return local, remote
}

// AddrPorts returns the two ends of a TCP connection, without allocating; those of other sockets are not
// valid.
func AddrPorts(fd int) (local, remote netip.AddrPort) {
	return addrPort(unix.SYS_GETSOCKNAME, fd), addrPort(unix.SYS_GETPEERNAME, fd)
}

func addrPort(call uintptr, fd int) netip.AddrPort {
	var raw unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	_, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&raw)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return netip.AddrPort{}
	}
	switch raw.Addr.Family {
	case unix.AF_INET:
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&raw))
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), port(&sa.Port))
	case unix.AF_INET6:
		sa := (*unix.RawSockaddrInet6)(unsafe.Pointer(&raw))
		ip := netip.AddrFrom16(sa.Addr)
		if sa.Scope_id != 0 {
			ip = ip.WithZone(strconv.Itoa(int(sa.Scope_id)))
		}
		return netip.AddrPortFrom(ip, port(&sa.Port))
	}
	return netip.AddrPort{}
}

// port reads a port, which is big-endian wherever it lies.
func port(p *uint16) uint16 { return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:]) }

func milliseconds(d time.Duration) int { return int(d / time.Millisecond) }

func flag(on bool) int {
	if on {
		return 1
	}
	return 0
}
