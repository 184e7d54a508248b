package codec

// Code says why a channel or a connection ended (SPEC section 6). From FirstApplicationCode on, codes
// belong to the application; unknown ones below it count as Internal.
type Code uint32

// The codes of the protocol.
const (
	NoError          Code = 0 // on channel 0: GOAWAY; on a channel: read as Cancelled
	ProtocolError    Code = 1
	FrameSizeError   Code = 2
	ChecksumError    Code = 3
	FlowControlError Code = 4
	ClosedError      Code = 5  // DATA behind the end of its direction
	Refused          Code = 6  // nothing was processed: safe to try elsewhere
	Internal         Code = 7  // the handler failed, or an unknown code
	Calm             Code = 8  // too many anomalies
	CompressionError Code = 9  // not one complete zlib stream of the allowed size
	Timeout          Code = 10 // a deadline of SPEC section 5
	Unsupported      Code = 11 // a type or flag that was not offered
	Unauthorized     Code = 12 // credentials missing or wrong
	Cancelled        Code = 13 // the application lost interest

	FirstApplicationCode Code = 256
)

// Known returns c, or Internal for a code of the protocol's space that SPEC.md does not name.
func (c Code) Known() Code {
	if c > Cancelled && c < FirstApplicationCode {
		return Internal
	}
	return c
}
