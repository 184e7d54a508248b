package core

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"

	"github.com/sscd-io/sscd/codec"
)

// OpenParams are the parameters of OPEN (SPEC section 4).
type OpenParams struct {
	Priority  uint8  // 0 (bulk) to 7 (urgent)
	HasWindow bool   // Window was said
	Window    uint32 // the opener's initial receive window, on extended connections
	Target    []byte // UTF-8: what the channel is for; empty means the default handler
	Metadata  []byte // opaque
}

// DefaultPriority is that of a channel whose OPEN names none.
const DefaultPriority = 3

var (
	errPriority = errors.New("priority is not one byte from 0 to 7")
	errWindow   = errors.New("window is not four bytes up to 2^31-1")
	errTarget   = errors.New("target is too long or not UTF-8")
)

// ParseOpen reads an OPEN's payload. The slices of the result alias p.
func ParseOpen(p []byte) (OpenParams, error) {
	o := OpenParams{Priority: DefaultPriority}
	if len(p) == 0 {
		return o, nil
	}
	err := codec.ParseParams(p, func(t codec.ParamType, v []byte) error {
		switch t {
		case codec.ParamPriority:
			if len(v) != 1 || v[0] > 7 {
				return errPriority
			}
			o.Priority = v[0]
		case codec.ParamWindow:
			if len(v) != 4 || binary.BigEndian.Uint32(v) > maxWindow {
				return errWindow
			}
			o.HasWindow, o.Window = true, binary.BigEndian.Uint32(v)
		case codec.ParamTarget:
			if len(v) > codec.MaxTarget || !utf8.Valid(v) {
				return errTarget
			}
			o.Target = v
		case codec.ParamMetadata:
			o.Metadata = v
		}
		return nil
	})
	return o, err
}

// Append appends the parameters to b as an OPEN's payload, leaving out those with the default value.
func (o OpenParams) Append(b []byte) []byte {
	if o.Priority != DefaultPriority {
		b = codec.AppendParam(b, codec.ParamPriority, []byte{o.Priority})
	}
	if o.HasWindow {
		b = codec.AppendParam(b, codec.ParamWindow, binary.BigEndian.AppendUint32(nil, o.Window))
	}
	if len(o.Target) > 0 {
		b = codec.AppendParam(b, codec.ParamTarget, o.Target)
	}
	if len(o.Metadata) > 0 {
		b = codec.AppendParam(b, codec.ParamMetadata, o.Metadata)
	}
	return b
}
