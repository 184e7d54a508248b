package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// packetQueue is how many packets a line of packets holds, at most.
	packetQueue = 1 << 16

	// controlFile is the congestion control of connections to come, in this network namespace.
	controlFile = "/proc/sys/net/ipv4/tcp_congestion_control"
)

// The line's two ends. What is sent to the far one comes back from there to the near one: source and destination change
// places, which leaves all check sums as they are.
var nearEnd, farEnd = net.IPv4(10, 99, 0, 1).To4(), net.IPv4(10, 99, 0, 2).To4()

// packets is a TUN device that delays packets, lets them pass at a rate, and loses some.
type packets struct {
	listen                 string // address for a server
	packets, lost, dropped atomic.Int64

	cfg        LossConfig
	fd         int
	port       atomic.Uint32 // the server's
	free       [2]time.Time  // when each direction has taken what came
	queues     [2]chan packet
	ownControl string
}

// packet is one that waits until it is due.
type packet struct {
	b  []byte
	at time.Time
}

// startApart is start in a network namespace of its own, and for those who may not have that in a user namespace too.
func (p Program) startApart(ctx context.Context, name string, cfg any) (*process, error) {
	return p.start(ctx, name, cfg, func(cmd *exec.Cmd) error {
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
		if os.Geteuid() != 0 {
			cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
		}
		return cmd.Start()
	})
}

// startPackets makes the device. It lasts as long as the process.
func startPackets(cfg LossConfig) (*packets, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening /dev/net/tun: %w", err)
	}
	p := &packets{cfg: cfg, fd: fd, listen: net.JoinHostPort(nearEnd.String(), "0")}
	if err := p.configure(); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("making a TUN device: %w", err)
	}
	own, err := os.ReadFile(controlFile)
	if err != nil {
		return nil, err
	}
	p.ownControl = strings.TrimSpace(string(own))
	for i := range p.queues {
		p.queues[i] = make(chan packet, packetQueue)
		go p.write(p.queues[i])
	}
	go p.read()
	return p, nil
}

// configure gives the device its name, address and size, and has it work; the loopback too, which is the namespace's.
func (p *packets) configure() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	const name = "sscd0"
	for _, step := range []struct {
		fd   int
		req  uint
		name string
		set  func(*unix.Ifreq) error
	}{
		{p.fd, unix.TUNSETIFF, name, number16(unix.IFF_TUN | unix.IFF_NO_PI)},
		{s, unix.SIOCSIFADDR, name, func(r *unix.Ifreq) error { return r.SetInet4Addr(nearEnd) }},
		{s, unix.SIOCSIFNETMASK, name, func(r *unix.Ifreq) error { return r.SetInet4Addr([]byte{255, 255, 255, 0}) }},
		{s, unix.SIOCSIFMTU, name, number32(uint32(p.cfg.MTU))},
		{s, unix.SIOCSIFTXQLEN, name, number32(packetQueue)},
		{s, unix.SIOCSIFFLAGS, name, number16(unix.IFF_UP | unix.IFF_RUNNING)},
		{s, unix.SIOCSIFFLAGS, "lo", number16(unix.IFF_UP | unix.IFF_RUNNING)},
	} {
		r, err := unix.NewIfreq(step.name)
		if err != nil {
			return err
		}
		if err := step.set(r); err != nil {
			return err
		}
		// A user namespace may not change the length of queues; 500 packets do as well, mostly.
		if err := unix.IoctlIfreq(step.fd, step.req, r); err != nil && step.req != unix.SIOCSIFTXQLEN {
			return fmt.Errorf("ioctl %#x on %s: %w", step.req, step.name, err)
		}
	}
	return nil
}

func number16(v uint16) func(*unix.Ifreq) error {
	return func(r *unix.Ifreq) error { r.SetUint16(v); return nil }
}

func number32(v uint32) func(*unix.Ifreq) error {
	return func(r *unix.Ifreq) error { r.SetUint32(v); return nil }
}

// serve returns the address at which a client finds a server behind the line.
func (p *packets) serve(server string) (string, error) {
	_, port, err := net.SplitHostPort(server)
	if err != nil {
		return "", err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	p.port.Store(uint32(n))
	return net.JoinHostPort(farEnd.String(), port), err
}

// controls lists the congestion controls to measure with.
func (p *packets) controls() []string { return controlsOf(p.ownControl) }

// control has connections to come use a congestion control.
func (p *packets) control(name string) error { return os.WriteFile(controlFile, []byte(name), 0) }

// read takes what the system sends over the line.
func (p *packets) read() {
	buf := make([]byte, 65536)
	for {
		n, err := unix.Read(p.fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "reading from the TUN device:", err)
			return
		}
		if n < 40 || buf[0]>>4 != 4 || buf[9] != unix.IPPROTO_TCP {
			continue
		}
		p.packets.Add(1)
		p.take(bytes.Clone(buf[:n]), time.Now())
	}
}

// take has a packet wait until it is due, or loses it.
func (p *packets) take(b []byte, now time.Time) {
	var near [4]byte
	copy(near[:], b[12:16])
	copy(b[12:16], b[16:20])
	copy(b[16:20], near[:])
	way := 0
	if head := int(b[0]&15) * 4; head+2 <= len(b) && uint32(binary.BigEndian.Uint16(b[head:])) == p.port.Load() {
		way = 1
	}
	free, line := &p.free[way], p.cfg.Line
	if free.Before(now) {
		*free = now
	}
	switch {
	case rand.Float64() < p.cfg.Loss:
		p.lost.Add(1)
		return
	case free.Sub(now) > max(lineQueue, line.RTT):
		p.dropped.Add(1)
		return
	}
	if line.Rate > 0 {
		*free = free.Add(time.Duration(float64(len(b)) / line.Rate * float64(time.Second)))
	}
	select {
	case p.queues[way] <- packet{b, free.Add(line.RTT / 2)}:
	default:
		p.dropped.Add(1)
	}
}

// write gives the system what is due.
func (p *packets) write(queue chan packet) {
	napper := newNapper()
	for one := range queue {
		for wait := time.Until(one.at); wait > 0; wait = time.Until(one.at) {
			napper.nap(wait)
		}
		unix.Write(p.fd, one.b)
	}
}
