package sim

import "strconv"

// Op is an operation of a script. Its numbers mean something whatever they are: Pick is taken modulo what
// there is to pick from, N is cut to what is possible.
type Op struct {
	Kind Kind
	Side uint8  // Client or Server
	Pick uint16 // of the side's channels
	N    uint32 // bytes, microseconds, or what the kind says
}

// The sides of a connection.
const (
	Client = 0
	Server = 1
)

// Kind is what an operation does.
type Kind uint8

// The kinds of operations.
const (
	// The link.
	Deliver Kind = iota // up to N bytes arrive at the side
	Send                // the side's transport takes up to N bytes
	Rest                // the side's transport keeps what is left of its batch by itself
	Stall               // nothing arrives at the side for N microseconds
	Cut                 // N bytes on, the side finds the end of its peer's stream
	Break               // N bytes on, the side finds the transport broken
	Flip                // bit N of what is on the way to the side changes

	// Time.
	Tick    // the side is told the time, due or not
	Advance // N microseconds pass, and who is due is told
	Sleep   // N microseconds pass while the side's process stands still
	Jump    // N microseconds pass while both do

	// The application of a side.
	Open     // opens a channel, by hand if N is odd
	Write    // N bytes
	Consume  // N bytes of what came on a channel of manual credit
	Finish   // ends its direction
	Close    //
	Reset    // with code N
	Urgency  // changes the priority to N
	Ping     //
	GoAway   //
	Quit     //
	Abort    // the connection, without a word
	Refuse   // refuses what the peer opens from now on, with code N; 0 accepts
	Keep     // keeps channels that have ended from now on, if N is odd
	Release  // lets one of those go
	React    // the next event's handler does what kind N does
	Turn     // what the application posted reaches the core
	Stranger // does what kind N does with the handle of a channel that is gone

	// The peer, where it is a script.
	Frame  // a frame, right or wrong, as N says
	Flood  // many of a kind, as N says
	Raw    // N bytes of noise
	Damage // the next frame is sent with bit N changed

	// The files of a side's application.
	SendFile // sends a range of N bytes
	Truncate // of its files one ends N/8 bytes behind what was read of it; if N%8 is 7, it cannot be read any more
	Fetch    // what somebody waits for is in memory

	NumKinds
)

var kindNames = [NumKinds]string{
	"deliver", "send", "rest", "stall", "cut", "break", "flip",
	"tick", "advance", "sleep", "jump",
	"open", "write", "consume", "finish", "close", "reset", "urgency",
	"ping", "goaway", "quit", "abort", "refuse", "keep", "release",
	"react", "turn", "stranger",
	"frame", "flood", "raw", "damage",
	"sendfile", "truncate", "fetch",
}

func (k Kind) String() string {
	if k < NumKinds {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

var sideNames = [2]string{"client", "server"}

// String is the operation as a line of a script.
func (o Op) String() string {
	return sideNames[o.Side&1] + " " + o.Kind.String() + " " + strconv.Itoa(int(o.Pick)) + " " +
		strconv.FormatUint(uint64(o.N), 10)
}
