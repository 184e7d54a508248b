//go:build linux

package engine_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/sscd-io/sscd/codec"
)

// terms are what a rawPeer and its server have agreed on, and the part of the oracle that needs to know. The zero
// value is the base profile.
type terms struct {
	said       bool // our first frame was HELLO
	met        bool // the server answered it, so both are extended
	features   codec.Features
	window     int             // that channels opened by us start with; 0 for startWindow
	connWindow int             // of the connection; 0 for none
	ended      map[uint32]bool // channels of which the server has ended its direction
}

// agree takes note of a frame that this side sends.
func (p *rawPeer) agree(h codec.Header, payload []byte) {
	t := &p.terms
	switch {
	case p.framesOut == 1 && bytes.HasPrefix(payload, []byte("\x00\x00\x00\x00SSC?")) && h.Type == codec.Ping:
		t.said = true
		eachNumber(payload[8:], func(param codec.ParamType, n int) {
			switch param {
			case codec.HelloFeatures:
				t.features = codec.Features(n)
			case codec.HelloWindow:
				t.window = n - startWindow
			case codec.HelloConnWindow:
				t.connWindow = n
				p.window[0] = n - startWindow
			}
		})
	case h.Type == codec.Open && t.said:
		p.window[h.Channel] = t.window
		eachNumber(payload, func(param codec.ParamType, n int) {
			if param == codec.ParamWindow {
				p.window[h.Channel] = n - startWindow
			}
		})
	}
}

// eachNumber calls f with the parameters that are numbers; a list that is none has less of them.
func eachNumber(params []byte, f func(codec.ParamType, int)) {
	codec.ParseParams(params, func(t codec.ParamType, v []byte) error {
		if len(v) == 4 {
			f(t, int(binary.BigEndian.Uint32(v)))
		}
		return nil
	})
}

// fault is what is wrong with the nth frame of the server's, whatever the windows are.
func (t *terms) fault(n int, f *codec.Frame) string {
	hello := f.Type == codec.Pong && bytes.HasPrefix(f.Payload, []byte("\x00\x00\x00\x00SSC!"))
	switch {
	case hello && (n > 1 || !t.said):
		return "which nobody asked for"
	case n == 1 && t.said && f.Type != codec.Pong && (f.Type != codec.Error || f.Channel != 0):
		return "which is no answer to HELLO"
	case hello:
		t.met = true
		return ""
	}
	allowed := codec.Flags(0)
	if f.Type == codec.Data && t.met {
		allowed = flagsOf(t.features)
	}
	onConn := f.Channel == 0
	switch {
	case f.Flags&^allowed != 0, f.Type > codec.Priority, f.Type == codec.Priority && !t.urgent():
		return "which was not offered"
	case f.Type == codec.Priority && f.Channel&1 == 1:
		return "which is for the opener to say"
	case f.Type == codec.FlowControl && onConn && t.met, f.Type == codec.Error:
	case (f.Type == codec.Ping || f.Type == codec.Pong) != onConn:
		return "on a channel where it does not belong"
	case f.Type == codec.Data && t.ended[f.Channel]:
		return "behind the end of its direction"
	}
	if f.Type == codec.Data {
		t.ended[f.Channel] = f.Flags&codec.Fin != 0
	}
	if f.Flags&codec.Compressed != 0 {
		plain, err := inflate(f.Payload)
		if err != nil || len(f.Payload) > len(plain)*9/10 || len(plain) <= 100 {
			return fmt.Sprintf("whose %d bytes are compressed to %d, %v", len(plain), len(f.Payload), err)
		}
		f.Payload = plain
	}
	return ""
}

// urgent returns whether PRIORITY was offered.
func (t *terms) urgent() bool { return t.met && t.features&codec.FeaturePriority != 0 }

// flagsOf are the flags of DATA that features are about.
func flagsOf(f codec.Features) (out codec.Flags) {
	if f&codec.FeatureFin != 0 {
		out |= codec.Fin
	}
	if f&codec.FeatureHeaderCRC != 0 {
		out |= codec.HeaderCRC
	}
	if f&codec.FeatureZlib != 0 {
		out |= codec.Compressed
	}
	return out
}

// mostGranted is how much more than it got a server may grant: on extended connections windows grow.
func (t *terms) mostGranted() int {
	if t.met {
		return math.MaxInt32
	}
	return 0
}

// inflate is what one complete zlib stream holds.
func inflate(p []byte) ([]byte, error) {
	r := bytes.NewReader(p)
	z, err := zlib.NewReader(r)
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(z)
	if err == nil && r.Len() > 0 {
		err = fmt.Errorf("%d bytes behind the stream", r.Len())
	}
	return plain, err
}

// zipped is text as one zlib stream, written as a payload of rawPeer.frame.
func zipped(text []byte) string { return fmt.Sprintf("%q", deflate(text, zlib.BestCompression)) }

func deflate(text []byte, level int) []byte {
	var out bytes.Buffer
	z, err := zlib.NewWriterLevel(&out, level)
	if err != nil {
		panic(err)
	}
	z.Write(text)
	z.Close()
	return out.Bytes()
}

// plainSize is how much a DATA frame counts: what it inflates to if it is compressed.
func plainSize(h codec.Header, payload []byte) int {
	if h.Flags&codec.Compressed != 0 {
		if plain, err := inflate(payload); err == nil {
			return len(plain)
		}
	}
	return len(payload)
}

// append appends a frame, whose CRC covers the header only if its flags say so and that was offered to us.
func (t *terms) append(b []byte, h codec.Header, payload []byte) []byte {
	if !t.said || h.Flags&codec.HeaderCRC == 0 || h.Type != codec.Data {
		return h.Append(b, payload)
	}
	h.Length = uint32(len(payload))
	head := make([]byte, codec.HeaderSize)
	h.Put(head, nil)
	return append(append(b, head...), payload...)
}

// appendNamed appends a parameter of OPEN or HELLO, written name=value.
func appendNamed(p *rawPeer, b []byte, name, value string) []byte {
	p.t.Helper()
	texts := map[string]codec.ParamType{
		"target": codec.ParamTarget, "credentials": codec.HelloCredentials, "software": codec.HelloSoftware,
	}
	if t, ok := texts[name]; ok {
		return codec.AppendParam(b, t, []byte(value))
	}
	numbers := map[string]codec.ParamType{
		"frame": codec.HelloFrame, "window": codec.HelloWindow, "connwindow": codec.HelloConnWindow,
		"features": codec.HelloFeatures, "channels": codec.HelloChannels,
	}
	t, ok := numbers[name]
	if !ok {
		p.fatalf("no parameter %s", name)
	}
	return codec.AppendParam(b, t, binary.BigEndian.AppendUint32(nil, number(p, value)))
}
