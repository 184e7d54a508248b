package sim

import (
	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/codec/codectest"
)

// Frames are read and made up by package codectest, which shares no code with package codec, so that an encoder
// and a decoder with the same fault do not agree.

// headerBytes is how long a header is.
const headerBytes = 16

// wireFrame is a frame as it stands on the wire.
type wireFrame struct {
	typ, flags byte
	channel    uint32
	payload    []byte
	size       int // with its header
}

// decode reads the frame at the head of b by SPEC section 1, steps 1 and 2. It returns more if b ends
// before it can tell.
func decode(b []byte, limits codectest.Limits) (f wireFrame, more bool, fault codec.Code) {
	r, size, err := codectest.Next(b, limits)
	if err != nil {
		return f, false, codec.Code(err.(*codectest.Error).Code)
	}
	return wireFrame{r.Type, r.Flags, r.Channel, r.Payload, size}, size == 0, 0
}
