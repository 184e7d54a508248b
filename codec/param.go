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

// The parameters of HELLO: SPEC section 3.
const (
	HelloFrame       ParamType = 1 // u32, the largest DATA payload accepted
	HelloWindow      ParamType = 2 // u32, the initial receive window of channels the sender opens
	HelloConnWindow  ParamType = 3 // u32, the receive window of the connection
	HelloFeatures    ParamType = 4 // u32, Features
	HelloChannels    ParamType = 5 // u32, channels allowed open at once
	HelloCredentials ParamType = 6 // opaque, from clients only
	HelloSoftware    ParamType = 7 // UTF-8, name and version
)

// Features are what a side can receive beyond the base profile.
type Features uint32

// The features; other bits are ignored.
const (
	FeatureFin       Features = 1 << iota // half close
	FeatureHeaderCRC                      // DATA whose CRC covers the header only
	FeatureZlib                           // compressed DATA
	FeaturePriority                       // PRIORITY
)

// Sizes of HELLO's parameters, in bytes.
const (
	SmallestFrame  = 4096 // the least HelloFrame may say
	MaxCredentials = 1024
	MaxSoftware    = 64
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
