//go:build linux

package ring

import (
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Config is how large a ring is. Numbers of entries and buffers are powers of two.
type Config struct {
	Entries     int // requests between two calls of Enter
	Completions int // that wait for Reap; more are kept by the kernel, slowly
	Buffers     int // for what is received
	BufferSize  int // bytes of each
	SendBytes   int // between two calls of Enter
}

// group is the number of the one group of buffers.
const group = 0

// Ring is an io_uring and the buffers into which it receives.
type Ring struct {
	*queue

	arg *geteventsArg // mapped
	ts  *unix.Timespec

	sends []byte // mapped
	sent  int    // of sends: queued since Enter
	fails []CQE  // of the last Enter

	entries []bufEntry // mapped: the buffers that the kernel may fill
	tail    uint16
	buffers []byte // mapped
	size    int
	used    []int // bytes of each buffer; only where the kernel goes on filling one

	maps [][]byte
}

// New makes a ring, with as much of the machine as c says. Enable is to be called before it is used. The error says
// which call failed: io_uring may be too old (Linux 6.1 is needed), forbidden by kernel.io_uring_disabled or by a
// filter of system calls, or short of memory.
func New(c Config) (*Ring, error) {
	p := &params{
		cqEntries: uint32(c.Completions),
		flags: setupCQSize | setupRDisabled | setupSubmitAll | setupSingleIssuer | setupDeferTaskrun |
			setupTaskrunFlag,
	}
	q, err := open(p, uint32(c.Entries))
	if err != nil {
		return nil, err
	}
	r := &Ring{queue: q, size: c.BufferSize}
	if err := r.setup(c); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// setup maps memory, registers the buffers, and restricts the ring to what is used.
func (r *Ring) setup(c Config) error {
	const need = featNodrop | featExtArg
	if r.features&need != need {
		return os.NewSyscallError("io_uring_setup", unix.ENOSYS)
	}
	call, err := r.mapped(int(unsafe.Sizeof(*r.arg) + unsafe.Sizeof(*r.ts)))
	if err != nil {
		return err
	}
	r.arg = (*geteventsArg)(unsafe.Pointer(&call[0]))
	r.ts = (*unix.Timespec)(unsafe.Pointer(&call[unsafe.Sizeof(*r.arg)]))
	if r.sends, err = r.mapped(c.SendBytes); err != nil {
		return err
	}
	entries, err := r.mapped(c.Buffers * int(unsafe.Sizeof(bufEntry{})))
	if err != nil {
		return err
	}
	r.entries = unsafe.Slice((*bufEntry)(unsafe.Pointer(&entries[0])), c.Buffers)
	if r.buffers, err = r.mapped(c.Buffers * c.BufferSize); err != nil {
		return err
	}
	reg := bufReg{
		ringAddr: uint64(uintptr(unsafe.Pointer(&entries[0]))), ringEntries: uint32(c.Buffers), bgid: group,
		flags: pbufRingInc,
	}
	r.used = make([]int, c.Buffers)
	if err = r.register(registerPbufRing, unsafe.Pointer(&reg), 1); err == unix.EINVAL {
		reg.flags, r.used = 0, nil
		err = r.register(registerPbufRing, unsafe.Pointer(&reg), 1)
	}
	if err != nil {
		return fmt.Errorf("registering buffers with io_uring: %w", err)
	}
	for i := range c.Buffers {
		r.give(uint16(i))
	}
	return r.restrict()
}

// restrict lets the ring do what is used here and nothing else.
func (r *Ring) restrict() error {
	list := []restriction{{opcode: restrictionSQEFlagsAllowed, op: sqeBufferSelect | sqeCQESkipSuccess}}
	for _, op := range []uint8{opPollAdd, opAccept, opAsyncCancel, opSend, opRecv} {
		list = append(list, restriction{opcode: restrictionSQEOp, op: op})
	}
	if err := r.register(registerRestrictions, unsafe.Pointer(&list[0]), len(list)); err != nil {
		return fmt.Errorf("restricting io_uring: %w", err)
	}
	return nil
}

// mapped returns memory that Go's collector does not know.
func (r *Ring) mapped(n int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	r.maps = append(r.maps, b)
	return b, nil
}

// Enable makes the ring the calling thread's.
func (r *Ring) Enable() error {
	if err := r.register(registerEnableRings, nil, 0); err != nil {
		return fmt.Errorf("enabling io_uring: %w", err)
	}
	return nil
}

// Close gives everything back. What is under way is cancelled, which may last beyond the call: who wants descriptors
// closed and buffers unused ends requests before.
func (r *Ring) Close() {
	r.queue.close()
	for _, b := range r.maps {
		unix.Munmap(b)
	}
}

// Forever is a timeout that does not come.
const Forever = time.Duration(-1)

// brief is how long a wait may be that Go's scheduler is not told of. Its monitor would take the processor away in one
// of 20 µs, and to have it back costs a system call or two.
const brief = time.Millisecond

// Enter submits what was queued and waits until there are so many completions to Reap, or until the timeout. With wait
// 0 it returns at once. With a timeout below a millisecond it keeps Go's processor, which others may wait for. That a
// signal or the timeout came first is no error; EAGAIN, EBUSY and ENOMEM are about this moment, and what was not
// submitted still is.
func (r *Ring) Enter(wait uint32, timeout time.Duration) error {
	r.arg.ts = 0
	if wait > 0 && timeout >= 0 {
		*r.ts = unix.NsecToTimespec(int64(timeout))
		r.arg.ts = uint64(uintptr(unsafe.Pointer(r.ts)))
	}
	err := r.enter(wait, wait == 0 || timeout >= 0 && timeout < brief, r.arg, r.ts)
	r.fails = r.fresh(r.fails[:0], failed)
	if _, sure := r.Failed(); sure {
		r.sent = 0
	}
	if err == unix.EINTR || err == unix.ETIME {
		return nil
	}
	return err
}

// failed marks the completions of sends, which are of those that failed.
const failed = 1 << 63

// Failed returns the completions of sends that the last Enter brought; Reap returns them, too. sure says whether all
// sends that were queued before it are through: if not, some may still be submitted, or their failures hidden.
func (r *Ring) Failed() (completions []CQE, sure bool) {
	hidden, _ := r.overflowed()
	return r.fails, !hidden && r.queued() == 0
}

// IsSend returns whether a completion is a send's.
func (c CQE) IsSend() bool { return c.Data&failed != 0 }

// Request is the number that the request was queued with.
func (c CQE) Request() uint64 { return c.Data &^ failed }

// Reap copies completions, oldest first, and returns how many.
func (r *Ring) Reap(dst []CQE) int { return r.reap(dst) }

// Pending returns whether there is a completion to Reap, or one that the next Enter brings, without asking the kernel.
// It is always false where CanSpin is.
func (r *Ring) Pending() bool { return r.pending() }

// Overflowed returns whether completions wait in the kernel for room, and how many were lost ever: none, as long as
// there is memory.
func (r *Ring) Overflowed() (waiting bool, lost uint32) { return r.overflowed() }

// Buffer is what a completion of Recv received, borrowed until Done with the same completion; ok says whether it has a
// buffer, which it may have without bytes in it. Completions are to be asked in their order.
func (r *Ring) Buffer(c CQE) (p []byte, ok bool) {
	if c.Flags&cqeBuffer == 0 {
		return nil, false
	}
	id, n := int(c.Flags>>cqeBufferShift), int(max(c.Res, 0))
	from := id * r.size
	if r.used != nil {
		from += r.used[id]
		r.used[id] += n
	}
	return r.buffers[from : from+n], true
}

// Done gives the buffer of a completion back to the kernel, unless it goes on filling that.
func (r *Ring) Done(c CQE) {
	if c.Flags&cqeBufMore == 0 {
		r.give(uint16(c.Flags >> cqeBufferShift))
	}
}

// give gives the kernel a buffer.
func (r *Ring) give(id uint16) {
	if r.used != nil {
		r.used[id] = 0
	}
	e := &r.entries[r.tail&uint16(len(r.entries)-1)]
	e.addr, e.len = uint64(uintptr(unsafe.Pointer(&r.buffers[int(id)*r.size]))), uint32(r.size)
	r.tail++
	if e != &r.entries[0] {
		e.bid = id
		id = r.entries[0].bid
	}
	storeTail(&r.entries[0], id, r.tail)
}

// More returns whether the request of a completion goes on.
func (c CQE) More() bool { return c.Flags&cqeMore != 0 }

// Err is the error of a completion, or nil.
func (c CQE) Err() error {
	if c.Res >= 0 {
		return nil
	}
	return unix.Errno(-c.Res)
}

// FD is the ring's descriptor.
func (r *Ring) FD() int { return r.fd }
