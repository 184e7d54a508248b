package codec

import (
	"encoding/binary"
	"errors"
)

// ParamType is the first byte of a parameter. What it means depends on the frame it stands in.
type ParamType uint8

// The parameters of OPEN, and of ACK (Metadata only): SPEC section 4.
const (
	ParamPriority ParamType = 1 // u8, 0 (bulk) to 7 (urgent)
	ParamWindow   ParamType = 2 // u32, the opener's initial receive window
	ParamTarget   ParamType = 3 // UTF-8, what the channel is for
	ParamMetadata ParamType = 4 // opaque
)

// MaxTarget is the longest target in bytes.
const MaxTarget = 1024

// paramHeader is the size of a parameter's type and length.
const paramHeader = 3

var (
	errParamCut   = errors.New("parameter is cut short")
	errParamTwice = errors.New("parameter stands twice")
)

// AppendParam appends one parameter to b. The value must fit a frame of MaxParams bytes.
func AppendParam(b []byte, t ParamType, value []byte) []byte {
	b = append(b, byte(t), byte(len(value)>>8), byte(len(value)))
	return append(b, value...)
}

// ParseParams calls f with each parameter of b in turn, and returns the first error of f, or one if b
// is no list of parameters in which each type stands once. Values alias b.
func ParseParams(b []byte, f func(t ParamType, value []byte) error) error {
	var seen [256 / 64]uint64
	for len(b) > 0 {
		if len(b) < paramHeader {
			return errParamCut
		}
		t, end := b[0], paramHeader+int(binary.BigEndian.Uint16(b[1:]))
		if len(b) < end {
			return errParamCut
		}
		if seen[t/64]&(1<<(t%64)) != 0 {
			return errParamTwice
		}
		seen[t/64] |= 1 << (t % 64)
		if err := f(ParamType(t), b[paramHeader:end:end]); err != nil {
			return err
		}
		b = b[end:]
	}
	return nil
}
