//go:build linux && giouring

package ring

import (
	"errors"
	"os"
	"syscall"
	"unsafe"

	"github.com/pawelgaczynski/giouring"
	"golang.org/x/sys/unix"
)

// Allocates says whether Enter does.
const Allocates = true

// CanSpin says whether Pending can tell: giouring keeps the flags to itself that say so.
const CanSpin = false

// queue is a ring of giouring's. Its parameters, entries and completions have the kernel's layout, as ours have.
type queue struct {
	ring     *giouring.Ring
	fd       int
	features uint32

	some   [64]*giouring.CompletionQueueEvent
	seen   uint64 // completions that fresh has looked at
	reaped uint64 // that reap has returned
}

// open sets up a ring that is disabled.
func open(p *params, entries uint32) (*queue, error) {
	r := giouring.NewRing()
	if err := r.QueueInitParams(entries, (*giouring.Params)(unsafe.Pointer(p))); err != nil {
		return nil, os.NewSyscallError("io_uring_setup", errnoOf(err))
	}
	unix.CloseOnExec(r.RingFd())
	return &queue{ring: r, fd: r.RingFd(), features: p.features}, nil
}

// errnoOf is the error number in an error of giouring's, which has it in several types.
func errnoOf(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// next returns an empty entry, which is submitted by the next enter, or nil if the queue is full.
func (q *queue) next() *sqe {
	e := (*sqe)(unsafe.Pointer(q.ring.GetSQE()))
	if e != nil {
		*e = sqe{} // giouring leaves in it what was there
	}
	return e
}

// queued is how many entries are still to be submitted.
func (q *queue) queued() uint32 { return q.ring.SQReady() }

// enter submits what is queued and waits for so many completions, or until ts has passed if arg names it. It never
// keeps Go's processor.
func (q *queue) enter(wait uint32, _ bool, arg *geteventsArg, ts *unix.Timespec) error {
	var err error
	switch {
	case wait == 0:
		_, err = q.ring.SubmitAndGetEvents()
	case arg.ts == 0:
		_, err = q.ring.SubmitAndWaitTimeout(wait, nil, nil)
	default: // ts is mapped, so giouring may hide it from the collector
		_, err = q.ring.SubmitAndWaitTimeout(wait, (*syscall.Timespec)(unsafe.Pointer(ts)), nil)
	}
	return errnoOf(err)
}

// reap copies completions out and returns how many.
func (q *queue) reap(dst []CQE) int {
	n := int(q.ring.PeekBatchCQE(q.some[:min(len(dst), len(q.some))]))
	for i, e := range q.some[:n] {
		dst[i] = CQE{Data: e.UserData, Res: e.Res, Flags: e.Flags}
	}
	q.ring.CQAdvance(uint32(n))
	q.reaped += uint64(n)
	return n
}

// fresh appends the completions with a bit of mask in their number that came since its last call. They are still to be
// reaped.
func (q *queue) fresh(to []CQE, mask uint64) []CQE {
	i := q.reaped
	q.ring.ForEachCQE(func(e *giouring.CompletionQueueEvent) {
		if i >= q.seen && e.UserData&mask != 0 {
			to = append(to, CQE{Data: e.UserData, Res: e.Res, Flags: e.Flags})
		}
		i++
	})
	q.seen = i
	return to
}

// pending is of no use: see CanSpin.
func (q *queue) pending() bool { return false }

// overflowed returns whether completions wait in the kernel for room in the queue. How many were lost is not told.
func (q *queue) overflowed() (waiting bool, lost uint32) { return q.ring.CQHasOverflow(), 0 }

// register is io_uring_register(2).
func (q *queue) register(op uintptr, arg unsafe.Pointer, n int) error {
	_, errno := q.ring.Register(q.fd, uint32(op), arg, uint32(n))
	if errno != 0 {
		return errno
	}
	return nil
}

// close gives everything back. Requests under way are cancelled.
func (q *queue) close() { q.ring.QueueExit() }
