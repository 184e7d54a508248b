package codec

import (
	"fmt"
	"strconv"
)

// The text forms here are for logs, errors and test transcripts; no code reads them.

var typeNames = map[Type]string{
	Open: "OPEN", Close: "CLOSE", Data: "DATA", Ack: "ACK", Error: "ERROR",
	Ping: "PING", Pong: "PONG", FlowControl: "FLOW_CONTROL", Priority: "PRIORITY",
}

func (t Type) String() string {
	if s, ok := typeNames[t]; ok {
		return s
	}
	return "type " + strconv.Itoa(int(t))
}

var codeNames = [...]string{
	"NO_ERROR", "PROTOCOL", "FRAME_SIZE", "CHECKSUM", "FLOW_CONTROL", "CLOSED", "REFUSED", "INTERNAL",
	"CALM", "COMPRESSION", "TIMEOUT", "UNSUPPORTED", "UNAUTHORIZED", "CANCELLED",
}

func (c Code) String() string {
	if int64(c) < int64(len(codeNames)) {
		return codeNames[c]
	}
	return "code " + strconv.FormatUint(uint64(c), 10)
}

// String is the frame in one line, its payload quoted and cut after 32 bytes.
func (f Frame) String() string {
	s := fmt.Sprintf("%v %d", f.Type, f.Channel)
	if f.Flags != 0 {
		s += fmt.Sprintf(" flags %02x", byte(f.Flags))
	}
	const most = 32
	switch n := len(f.Payload); {
	case n == 0:
	case n <= most:
		s += fmt.Sprintf(" %q", f.Payload)
	default:
		s += fmt.Sprintf(" %q... (%d bytes)", f.Payload[:most], n)
	}
	return s
}
