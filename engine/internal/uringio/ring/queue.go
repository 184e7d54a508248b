//go:build linux && !giouring

package ring

import (
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Allocates says whether Enter does.
const Allocates = false

// CanSpin says whether Pending can tell.
const CanSpin = true

// queue is the two queues that are shared with the kernel.
type queue struct {
	fd       int
	features uint32

	ring []byte // mapped: both queues
	sqes []sqe  // mapped

	sqHead, sqTail, sqFlags *uint32
	tail                    uint32 // of what next returned

	cqHead, cqTail, cqOverflow *uint32
	cqes                       []CQE  // mapped
	seen                       uint32 // completions that fresh has looked at
}

// open sets up a ring that is disabled.
func open(p *params, entries uint32) (*queue, error) {
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(unsafe.Pointer(p)), 0)
	if errno != 0 {
		return nil, os.NewSyscallError("io_uring_setup", errno)
	}
	unix.CloseOnExec(int(fd))
	q := &queue{fd: int(fd), features: p.features}
	if err := q.mmap(p); err != nil {
		q.close()
		return nil, err
	}
	return q, nil
}

// mmap maps the queues. They are one piece of memory since Linux 5.4.
func (q *queue) mmap(p *params) error {
	if p.features&featSingleMmap == 0 {
		return os.NewSyscallError("io_uring_setup", unix.ENOSYS)
	}
	size := max(p.sq.array+4*p.sqEntries, p.cq.cqes+uint32(unsafe.Sizeof(CQE{}))*p.cqEntries)
	const prot, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	var err error
	if q.ring, err = unix.Mmap(q.fd, offSQRing, int(size), prot, flags); err != nil {
		return os.NewSyscallError("mmap of io_uring", err)
	}
	sqes, err := unix.Mmap(q.fd, offSQEs, int(p.sqEntries)*int(unsafe.Sizeof(sqe{})), prot, flags)
	if err != nil {
		return os.NewSyscallError("mmap of io_uring", err)
	}
	q.sqes = unsafe.Slice((*sqe)(unsafe.Pointer(&sqes[0])), p.sqEntries)
	at := func(off uint32) *uint32 { return (*uint32)(unsafe.Pointer(&q.ring[off])) }
	q.sqHead, q.sqTail, q.sqFlags = at(p.sq.head), at(p.sq.tail), at(p.sq.flags)
	q.cqHead, q.cqTail, q.cqOverflow = at(p.cq.head), at(p.cq.tail), at(p.cq.overflow)
	q.cqes = unsafe.Slice((*CQE)(unsafe.Pointer(at(p.cq.cqes))), p.cqEntries)
	for i := range p.sqEntries { // each entry is submitted from the place it is made in
		*at(p.sq.array + 4*i) = i
	}
	return nil
}

// next returns an empty entry, which is submitted by the next enter, or nil if the queue is full.
func (q *queue) next() *sqe {
	if q.tail-atomic.LoadUint32(q.sqHead) == uint32(len(q.sqes)) {
		return nil
	}
	e := &q.sqes[q.tail&uint32(len(q.sqes)-1)]
	*e = sqe{}
	q.tail++
	return e
}

// queued is how many entries are still to be submitted.
func (q *queue) queued() uint32 { return q.tail - atomic.LoadUint32(q.sqHead) }

// enter submits what is queued and waits for so many completions, with the timeout that arg names. keep says that Go's
// processor is kept meanwhile.
func (q *queue) enter(wait uint32, keep bool, arg *geteventsArg, _ *unix.Timespec) error {
	atomic.StoreUint32(q.sqTail, q.tail)
	call := unix.Syscall6
	if keep {
		call = unix.RawSyscall6
	}
	_, _, errno := call(unix.SYS_IO_URING_ENTER, uintptr(q.fd), uintptr(q.queued()), uintptr(wait),
		enterGetevents|enterExtArg, uintptr(unsafe.Pointer(arg)), unsafe.Sizeof(*arg))
	if errno != 0 {
		return errno
	}
	return nil
}

// reap copies completions out and returns how many.
func (q *queue) reap(dst []CQE) int {
	head := *q.cqHead // only we change it
	n := min(int(atomic.LoadUint32(q.cqTail)-head), len(dst))
	mask := uint32(len(q.cqes) - 1)
	for i := range n {
		dst[i] = q.cqes[(head+uint32(i))&mask]
	}
	atomic.StoreUint32(q.cqHead, head+uint32(n))
	return n
}

// fresh appends the completions with a bit of mask in their number that came since its last call. They are still to be
// reaped.
func (q *queue) fresh(to []CQE, mask uint64) []CQE {
	for tail := atomic.LoadUint32(q.cqTail); q.seen != tail; q.seen++ {
		if e := &q.cqes[q.seen&uint32(len(q.cqes)-1)]; e.Data&mask != 0 {
			to = append(to, *e)
		}
	}
	return to
}

// pending returns whether there are completions, or work of the kernel's that may bring some.
func (q *queue) pending() bool {
	return atomic.LoadUint32(q.cqTail) != *q.cqHead || atomic.LoadUint32(q.sqFlags)&sqTaskrun != 0
}

// overflowed returns whether completions wait in the kernel for room in the queue, and how many were lost ever.
func (q *queue) overflowed() (waiting bool, lost uint32) {
	return atomic.LoadUint32(q.sqFlags)&sqCQOverflow != 0, atomic.LoadUint32(q.cqOverflow)
}

// register is io_uring_register(2).
func (q *queue) register(op uintptr, arg unsafe.Pointer, n int) error {
	_, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(q.fd), op, uintptr(arg), uintptr(n), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// close gives everything back. Requests under way are cancelled.
func (q *queue) close() {
	if q.sqes != nil {
		unix.MunmapPtr(unsafe.Pointer(&q.sqes[0]), uintptr(len(q.sqes))*unsafe.Sizeof(sqe{}))
	}
	if q.ring != nil {
		unix.Munmap(q.ring)
	}
	unix.Close(q.fd)
}
