//go:build linux

package ring

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The methods below queue requests and return false, without having done so, if the queue is full: Enter makes room.
// data comes back with each completion.

// Accept accepts connections on a listening socket, again and again: a completion's Res is the new descriptor.
func (r *Ring) Accept(fd int, data uint64) bool {
	e := r.next()
	if e == nil {
		return false
	}
	e.opcode, e.fd, e.userData = opAccept, int32(fd), data
	e.ioprio = acceptMultishot
	e.opFlags = unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC
	return true
}

// Recv receives again and again, each time into a buffer that the completion names, until the peer's end (Res 0), an
// error, or ENOBUFS: there was no buffer.
func (r *Ring) Recv(fd int, data uint64) bool {
	e := r.next()
	if e == nil {
		return false
	}
	e.opcode, e.fd, e.userData = opRecv, int32(fd), data
	e.ioprio, e.flags, e.bufGroup = recvMultishot, sqeBufferSelect, group
	return true
}

// Send sends pieces, at most MaxPieces, as far as the socket takes them at once: it completes within the Enter that
// submits it, perhaps with a part, or with EAGAIN. Until then the pieces must not change. It returns false, too, if
// there were as many since Enter as Config.Sends.
func (r *Ring) Send(fd int, pieces [][]byte, data uint64) bool {
	if r.sent == len(r.sends) || len(pieces) > MaxPieces {
		return false
	}
	e := r.next()
	if e == nil {
		return false
	}
	s, pin := &r.sends[r.sent], &r.pins[r.sent]
	r.sent++
	for i, p := range pieces {
		pin.Pin(&p[0])
		s.iov[i] = iovec{base: uintptr(unsafe.Pointer(&p[0])), len: uintptr(len(p))}
	}
	e.fd, e.userData = int32(fd), data
	e.opFlags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
	if len(pieces) == 1 {
		e.opcode, e.addr, e.len = opSend, uint64(s.iov[0].base), uint32(len(pieces[0]))
		return true
	}
	s.msg = msghdr{iov: uintptr(unsafe.Pointer(&s.iov[0])), iovLen: uintptr(len(pieces))}
	e.opcode, e.addr, e.len = opSendmsg, uint64(uintptr(unsafe.Pointer(&s.msg))), 1
	return true
}

// Poll waits once until a descriptor is ready for some of events, as of poll(2).
func (r *Ring) Poll(fd int, events uint32, data uint64) bool {
	return r.poll(fd, events, 0, data)
}

// Watch is Poll again and again: a completion for each time the descriptor becomes ready.
func (r *Ring) Watch(fd int, events uint32, data uint64) bool {
	return r.poll(fd, events, pollAddMulti, data)
}

func (r *Ring) poll(fd int, events, flags uint32, data uint64) bool {
	e := r.next()
	if e == nil {
		return false
	}
	e.opcode, e.fd, e.userData = opPollAdd, int32(fd), data
	e.len, e.opFlags = flags, pollMask(events)
	return true
}

// Cancel ends all requests about a descriptor, with ECANCELED unless they complete otherwise. Its own completion tells
// how many there were.
func (r *Ring) Cancel(fd int, data uint64) bool {
	e := r.next()
	if e == nil {
		return false
	}
	e.opcode, e.fd, e.userData = opAsyncCancel, int32(fd), data
	e.opFlags = asyncCancelAll | asyncCancelFD
	return true
}

// CancelOne ends the request that was queued with target.
func (r *Ring) CancelOne(target, data uint64) bool {
	e := r.next()
	if e == nil {
		return false
	}
	e.opcode, e.fd, e.addr, e.userData = opAsyncCancel, -1, target, data
	return true
}

// storeTail tells the kernel the tail of the ring of buffers, which shares a word with a buffer's number.
func storeTail(first *bufEntry, bid, tail uint16) {
	word := [2]uint16{bid, tail}
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&first.bid)), *(*uint32)(unsafe.Pointer(&word)))
}

// pollMask is a mask of events as the kernel takes it: the halves of a word swapped where the lowest byte is the last.
func pollMask(events uint32) uint32 {
	if one := [2]uint16{1, 0}; *(*uint32)(unsafe.Pointer(&one)) == 1 {
		return events
	}
	return events<<16 | events>>16
}
