//go:build linux

package ring

// What follows is linux/io_uring.h of Linux 6.1, with its names.

// sqe is struct io_uring_sqe.
type sqe struct {
	opcode   uint8
	flags    uint8
	ioprio   uint16
	fd       int32
	off      uint64
	addr     uint64
	len      uint32
	opFlags  uint32 // msg_flags, accept_flags, poll32_events, cancel_flags
	userData uint64
	bufGroup uint16
	_        uint16
	_        int32
	_        [2]uint64
}

// CQE is struct io_uring_cqe, a completion.
type CQE struct {
	Data  uint64 // the request's
	Res   int32  // what the system call would return; an error is negative
	Flags uint32
}

// params is struct io_uring_params.
type params struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFD uint32

	_  [3]uint32
	sq sqOffsets
	cq cqOffsets
}

// sqOffsets is struct io_sqring_offsets.
type sqOffsets struct {
	head, tail, ringMask, ringEntries, flags, dropped, array uint32

	_ uint32
	_ uint64
}

// cqOffsets is struct io_cqring_offsets.
type cqOffsets struct {
	head, tail, ringMask, ringEntries, overflow, cqes, flags uint32

	_ uint32
	_ uint64
}

// geteventsArg is struct io_uring_getevents_arg.
type geteventsArg struct {
	sigmask   uint64
	sigmaskSz uint32
	minWait   uint32
	ts        uint64
}

// bufReg is struct io_uring_buf_reg.
type bufReg struct {
	ringAddr    uint64
	ringEntries uint32
	bgid        uint16
	flags       uint16
	_           [3]uint64
}

// bufEntry is struct io_uring_buf. The tail of a ring of them lies where the first one's last field would.
type bufEntry struct {
	addr uint64
	len  uint32
	bid  uint16
	tail uint16
}

// restriction is struct io_uring_restriction.
type restriction struct {
	opcode uint16
	op     uint8 // or flags
	_      uint8
	_      [3]uint32
}

// Setup flags and features.
const (
	setupCQSize       = 1 << 3
	setupRDisabled    = 1 << 6
	setupSubmitAll    = 1 << 7
	setupTaskrunFlag  = 1 << 9
	setupSingleIssuer = 1 << 12
	setupDeferTaskrun = 1 << 13

	featSingleMmap = 1 << 0
	featNodrop     = 1 << 1
	featExtArg     = 1 << 8
)

// Offsets for mmap.
const (
	offSQRing = 0
	offSQEs   = 0x10000000
)

// Flags of io_uring_enter, and of the submission queue.
const (
	enterGetevents = 1 << 0
	enterExtArg    = 1 << 3

	sqCQOverflow = 1 << 1
	sqTaskrun    = 1 << 2
)

// Operations of io_uring_register.
const (
	registerRestrictions = 11
	registerEnableRings  = 12
	registerPbufRing     = 22

	pbufRingInc = 1 << 1 // Linux 6.12
)

// Kinds of restrictions.
const (
	restrictionSQEOp           = 1
	restrictionSQEFlagsAllowed = 2
)

// Opcodes, and their flags.
const (
	opPollAdd     = 6
	opAccept      = 13
	opAsyncCancel = 14
	opSend        = 26
	opRecv        = 27

	sqeBufferSelect   = 1 << 5
	sqeCQESkipSuccess = 1 << 6

	pollAddMulti    = 1 << 0 // in len
	acceptMultishot = 1 << 0 // in ioprio
	recvMultishot   = 1 << 1 // in ioprio

	asyncCancelAll = 1 << 0
	asyncCancelFD  = 1 << 1
)

// Flags of completions.
const (
	cqeBuffer      = 1 << 0
	cqeMore        = 1 << 1
	cqeBufMore     = 1 << 4
	cqeBufferShift = 16
)
