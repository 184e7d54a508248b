//go:build linux

package evloop_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/evloop"
	"github.com/sscd-io/sscd/engine/internal/evloop/evlooptest"
	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/engine/internal/sock"
)

// greet opens a channel.
func greet(p *evlooptest.Peer) {
	p.Say(evlooptest.Opens(1))
	p.Want("ACK 1")
}

// resting reads what belongs to the loop.
func resting(r *evlooptest.Rig, d *evlooptest.Door) (pause time.Duration, yes bool) {
	r.Inside(r.Loops[0], func() { pause, yes = d.Resting() })
	return pause, yes
}

// listenFD is a socket that listens.
func listenFD(t *testing.T, addr string) int {
	t.Helper()
	fd, err := sock.Listen(addr, sock.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// Clients come, are served, and find nobody once the listener is closed.
func TestAccept(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.Serve(t, maker, 2)
		d := r.Listen("127.0.0.1:0")
		for range 5 {
			p := d.Dial(t)
			greet(p)
			p.Ask("hello")
		}
		d.Close()
		d.Close()                                                      // once more does no harm
		evlooptest.Until(t, "connections to be refused", func() bool { // the socket is closed soon
			nc, err := net.Dial("tcp", d.Where)
			if err == nil {
				nc.Close()
			}
			return err != nil
		})
	})
}

// No descriptors are left: clients wait, the loop does not spin and serves those it has; the rests grow.
// When there are descriptors again all are served, and the next rest would be short.
func TestAcceptingRests(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		evlooptest.FewDescriptors(t)
		r := evlooptest.Serve(t, maker, 1)
		d := r.Listen("127.0.0.1:0")
		before := d.Dial(t)
		greet(before)
		for round := range 2 {
			acceptingRests(t, r, d, before, round)
		}
		if n := d.Failed.Load() + d.Skipped.Load(); n != 0 {
			t.Errorf("%d connections failed or skipped", n)
		}
		d.Close()
	})
}

func acceptingRests(t *testing.T, r *evlooptest.Rig, d *evlooptest.Door, before *evlooptest.Peer, round int) {
	const minPause = evloop.MinPause
	var waiting []int
	for range 3 {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, fd)
	}
	pauses, warned := d.Pauses.Load(), d.Warned.Load()
	enough := evlooptest.UseUp(t)
	to := &unix.SockaddrInet4{Port: d.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
	for _, fd := range waiting {
		if err := unix.Connect(fd, to); err != nil {
			t.Fatal(err)
		}
	}
	for want := minPause; want <= 4*minPause; want *= 2 {
		evlooptest.Until(t, "a rest of "+want.String(), func() bool {
			pause, _ := resting(r, d)
			return pause >= want
		})
		before.Ask("are you still there")
	}
	pause, _ := resting(r, d)
	if n := d.Pauses.Load() - pauses; n < 3 || n > 10 || pause > minPause<<(n-1) {
		t.Errorf("round %d: after %d rests the pause is %v", round, n, pause)
	}
	if n := d.Warned.Load() - warned; n != 1 {
		t.Errorf("round %d: %d warnings", round, n)
	}
	enough()
	for _, fd := range waiting {
		greet(evlooptest.NewPeer(t, fd))
	}
	if pause, yes := resting(r, d); pause != 0 || yes {
		t.Errorf("round %d: all is well; pause %v, resting %v", round, pause, yes)
	}
}

// Errors that accept(2) does not name, again and again: the listener rests, the loop lives.
func TestAListenerThatCanNotAccept(t *testing.T) {
	make := map[string]func() (int, error){
		"not listening": func() (int, error) {
			return unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		},
		"no socket": func() (int, error) { return unix.Eventfd(1, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC) },
	}
	for name, make := range make {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, maker evlooptest.Maker) {
				r := evlooptest.Serve(t, maker, 1)
				fd, err := make()
				if err != nil {
					t.Fatal(err)
				}
				d := r.Accept(fd, r.Idlest)
				evlooptest.Until(t, "three rests", func() bool { return d.Pauses.Load() >= 3 })
				_, p := r.Join(r.Loops[0])
				greet(p)
				if pause, _ := resting(r, d); pause < 4*evloop.MinPause {
					t.Errorf("after three rests the pause is %v", pause)
				}
				evlooptest.Until(t, "a rest", func() bool {
					_, yes := resting(r, d)
					return yes
				})
				d.Close()
				evlooptest.Until(t, "the descriptor to be closed", func() bool { return !evlooptest.Alive(fd) })
				if n := d.Warned.Load(); n != 1 {
					t.Errorf("%d warnings", n)
				}
			})
		})
	}
}

// Closing a listener that rests closes its socket, and it does not come back.
func TestCloseWhileResting(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.Serve(t, maker, 1)
		d := r.Listen("127.0.0.1:0")
		r.Inside(r.Loops[0], func() { d.Rest(unix.EMFILE) })
		d.Close()
		evlooptest.Until(t, "the descriptor to be closed", func() bool { return !evlooptest.Alive(d.FD) })
		time.Sleep(2 * evloop.MinPause) // decides nothing: if the rest went on after all, the rig sees a descriptor
		if nc, err := net.Dial("tcp", d.Where); err == nil {
			nc.Close()
			t.Error("a closed listener takes connections")
		}
	})
}

// A rest and its end, at once and again and again, with clients that come meanwhile: each is served.
func TestRestsThatEndAtOnce(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.Serve(t, maker, 1)
		d := r.Listen("127.0.0.1:0")
		for i := range 200 {
			r.Inside(r.Loops[0], func() { r.Loops[0].Unlisten(d.Acceptor, false) })
			p := d.Dial(t)
			if i%2 == 0 {
				r.Inside(r.Loops[0], func() {})
			}
			r.Inside(r.Loops[0], func() {
				if err := r.Loops[0].Listen(d.Acceptor); err != nil {
					t.Error(err)
				}
			})
			greet(p)
			p.Close()
		}
	})
}

// The end of a loop is the end of its listeners, also of one that rests just then.
func TestStopWhileResting(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.Serve(t, maker, 1)
		d := r.Listen("127.0.0.1:0")
		r.Inside(r.Loops[0], func() { d.Rest(unix.EMFILE) })
		r.Loops[0].Stop()
		d.Close()
		if evlooptest.Alive(d.FD) {
			t.Error("the listening socket is open after the end of its loop")
		}
	})
}

// A listener that comes just when its loop ends, ends with it.
func TestAcceptWhenTheLoopEnds(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		for round := range 20 {
			r := evlooptest.Serve(t, maker, 1)
			l := r.Loops[0]
			fd := listenFD(t, "127.0.0.1:0")
			release := r.Hold(l)
			returned, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(returned)
				if a, err := evloop.Accept(l, fd, false, r.Cfg.Logger, r.Idlest, nil); err == nil {
					a.Close()
				}
			}()
			time.Sleep(time.Duration(round%4) * 100 * time.Microsecond) // decides only who is first
			go func() {
				defer close(stopped)
				l.Stop()
			}()
			time.Sleep(time.Duration(round%3) * 100 * time.Microsecond)
			release()
			r.Wait("Accept", returned)
			r.Wait("Stop", stopped)
			if evlooptest.Alive(fd) || evloop.Acceptors(l) != 0 {
				t.Errorf("open: %v, listeners: %d", evlooptest.Alive(fd), evloop.Acceptors(l))
			}
		}
	})
}

// A loop that has ended takes no listener, and closes the socket it was given.
func TestAcceptOnALoopThatHasEnded(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.Serve(t, maker, 1)
		d := r.Listen("127.0.0.1:0")
		r.Loops[0].Stop()
		if evlooptest.Alive(d.FD) {
			t.Error("the listening socket is open after the end of its loop")
		}
		d.Close() // late, and harmless
		fd := listenFD(t, "127.0.0.1:0")
		if _, err := evloop.Accept(r.Loops[0], fd, false, r.Cfg.Logger, r.Idlest, nil); err == nil {
			t.Error("no error")
		}
		if evlooptest.Alive(fd) {
			t.Error("the socket is open")
		}
	})
}

// Connections that come together are spread over the loops although none of those has seen its own yet.
func TestConnectionsAreSpread(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.Serve(t, maker, 4)
		d := r.Listen("127.0.0.1:0")
		var releases []func()
		for _, l := range r.Loops {
			release := r.Hold(l)
			defer release()
			releases = append(releases, release)
		}
		var peers []*evlooptest.Peer
		for range 12 {
			peers = append(peers, d.Dial(t))
		}
		releases[0]() // it accepts
		evlooptest.Until(t, "all to be accepted", func() bool { return r.Conns() == 12 })
		for _, release := range releases {
			release()
		}
		for _, p := range peers {
			greet(p)
		}
		for i, l := range r.Loops {
			if n := evloop.Of(l).Stats.Conns.Load(); n != 3 {
				t.Errorf("loop %d has %d of 12 connections", i, n)
			}
		}
		for _, p := range peers { // those that end make room
			p.Close()
		}
		evlooptest.Until(t, "the connections to end", func() bool { return r.Conns() == 0 })
		d.Close()
	})
}

// From its acceptance on a connection is counted by its loop, without a moment in which it is not: it is
// then that the next one is given to the wrong loop.
func TestTheCountDoesNotDip(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.Serve(t, maker, 2)
		counted := make(chan int64, 1)
		second := func() evloop.Server { return r.Loops[1] }
		a, err := evloop.Accept(r.Loops[0], listenFD(t, "127.0.0.1:0"), false, r.Cfg.Logger, second,
			func() (*loop.Conn, loop.Events) {
				counted <- evloop.Load(r.Loops[1])
				return r.Make()
			})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		(&evlooptest.Door{Acceptor: a, Where: a.Addr().String()}).Dial(t)
		if n := <-counted; n != 1 {
			t.Errorf("%d connections counted when the first one is about to be attached", n)
		}
	})
}

// A connection that was picked for a loop that ends just then, or for none, is closed.
func TestThePickedLoopHasEnded(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.Serve(t, maker, 2)
		to := r.Loops[1]
		d := r.Accept(listenFD(t, "127.0.0.1:0"), func() evloop.Server { return to })
		r.Loops[1].Stop()
		d.Dial(t).WantEnd()
		r.Inside(r.Loops[0], func() { to = nil })
		d.Dial(t).WantEnd()
		d.Close()
	})
}

// However many clients wait, others are served before all are taken.
func TestAFloodOfClients(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.Serve(t, maker, 2)
		d := r.Listen("127.0.0.1:0")
		var peers []*evlooptest.Peer
		release := r.Hold(r.Loops[0])
		defer release()
		for range 300 {
			peers = append(peers, d.Dial(t))
		}
		release()
		for _, p := range peers {
			p.Say(evlooptest.Opens(1))
		}
		for _, p := range peers {
			p.Want("ACK 1")
			p.Close()
		}
		evlooptest.Until(t, "the connections to end", func() bool { return r.Conns() == 0 })
	})
}

// A Unix socket can be listened on again once its listener is closed, as with package net.
func TestAUnixSocketCanBeListenedOnAgain(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.Serve(t, maker, 1)
		path := filepath.Join(t.TempDir(), "socket")
		r.Listen(path).Close()
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("the file of a closed listener: %v", err)
		}
		d := r.Listen(path)
		r.Loops[0].Stop()
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("the file of a listener whose loop has ended: %v", err)
		}
		d.Close()
		fd := listenFD(t, path)
		if _, err := evloop.Accept(r.Loops[0], fd, false, r.Cfg.Logger, r.Idlest, nil); err == nil {
			t.Error("a loop that has ended takes a listener")
		}
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("the file of a listener that was not taken: %v", err)
		}
	})
}
