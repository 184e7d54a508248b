package codec

import "fmt"

// Lengths of payloads, in bytes (SPEC section 1). What exceeds them is refused with the 12th header
// byte, before anything is allocated.
const (
	MaxParams    = 4096    // OPEN and ACK: a target, some metadata
	MaxData      = 65536   // DATA, unless HELLO allowed more: the initial window
	MaxError     = 1024    // ERROR: a code and a short reason
	MaxPing      = 256     // PING and PONG: answered, so kept small
	MaxHello     = 2048    // PING as the client's first frame, and its answer
	MaxExtension = 4096    // types 128..255: skipped
	LargestData  = 1 << 20 // DATA, the most that HELLO can allow
)

// Limits are what depends on the state of a connection. The zero value is a base connection past its
// first frame.
type Limits struct {
	Data, Ping, Pong uint32 // the largest payloads; 0 means MaxData and MaxPing
	HeaderCRC        bool   // this side offered HEADER_CRC (SPEC section 3)
}

// check applies step 1 of SPEC section 1 to a header whose magic is right.
func (l *Limits) check(h Header) error {
	lo, hi := uint32(0), uint32(0)
	switch h.Type {
	case Data:
		hi = max(l.Data, MaxData)
	case Ping:
		hi = max(l.Ping, MaxPing)
	case Pong:
		hi = max(l.Pong, MaxPing)
	case Open, Ack:
		hi = MaxParams
	case Close:
	case Error:
		hi = MaxError
		if h.Length != 0 {
			lo = 4
		}
	case FlowControl:
		lo, hi = 4, 4
	case Priority:
		lo, hi = 1, 1
	default:
		if h.Type < FirstExtension {
			return &FrameError{Unsupported, h, fmt.Sprintf("%v is unknown", h.Type)}
		}
		hi = MaxExtension
	}
	if h.Length < lo || h.Length > hi {
		return &FrameError{FrameSizeError, h, fmt.Sprintf("%v on channel %d is %d bytes long, not %d to %d",
			h.Type, h.Channel, h.Length, lo, hi)}
	}
	return nil
}
