package codec

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/sscd-io/sscd/codec/codectest"
)

// cut cuts a stream into pieces, none of them empty, as seed has it.
func cut(stream []byte, seed uint64) (pieces [][]byte) {
	r := rand.New(rand.NewPCG(seed, 0))
	for len(stream) > 0 {
		n := 1 + r.IntN(len(stream))
		pieces, stream = append(pieces, stream[:n]), stream[n:]
	}
	return pieces
}

// refer gives a stream in pieces to a Splitter and as a whole to codectest, as far as it has come with
// each piece, and fails unless both have the same frames, the same code and the same opinion on what is
// left. It returns the frames.
func refer(t *testing.T, limits Limits, pieces ...[]byte) (frames []codectest.Frame) {
	t.Helper()
	oracle := codectest.Limits(limits)
	s, m := Splitter{Limits: limits}, new(heap)
	var stream []byte
	for _, p := range pieces {
		stream = append(stream, p...)
		want, rest, wantErr := codectest.Decode(stream, oracle)
		s.Feed(bytes.Clone(p))
		var f Frame
		ok, err := s.Next(&f, m)
		for ; ok; ok, err = s.Next(&f, m) {
			payload := append([]byte{}, f.Payload...)
			frames = append(frames, codectest.Frame{Channel: f.Channel, Type: byte(f.Type), Flags: byte(f.Flags), Payload: payload})
		}
		if !reflect.DeepEqual(frames, want) {
			t.Fatalf("after %d bytes: frames\n%v, want\n%v", len(stream), frames, want)
		}
		if wantErr != nil {
			if err == nil || uint32(code(t, err)) != wantErr.(*codectest.Error).Code {
				t.Fatalf("after %d bytes: error %v, want %v", len(stream), err, wantErr)
			}
			break
		}
		if begun, _ := s.Partial(); err != nil || begun != (rest > 0) {
			t.Fatalf("after %d bytes: error %v, within a frame: %v, want %d bytes of one", len(stream), err, begun, rest)
		}
	}
	s.Reset(m)
	if m.live != 0 {
		t.Errorf("%d buffers not given back", m.live)
	}
	return frames
}

func TestVectorsByReference(t *testing.T) {
	good, bad := vectors(t)
	for _, v := range append(good, bad...) {
		for i := range v.Frame {
			refer(t, Limits{}, v.Frame[:i], v.Frame[i:])
		}
	}
}

// FuzzSplit: no input panics, and how it is cut does not matter.
func FuzzSplit(f *testing.F) {
	good, bad := vectors(f)
	for _, v := range append(good, bad...) {
		f.Add([]byte(v.Frame), uint64(len(v.Frame)))
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		want := split(t, Limits{}, stream)
		if got := split(t, Limits{}, cut(stream, seed)...); !equal(got, want) {
			t.Fatalf("in pieces %q, whole %q", got, want)
		}
	})
}

// FuzzReference: whatever the bytes and the limits, Splitter and codectest agree.
func FuzzReference(f *testing.F) {
	good, bad := vectors(f)
	all := []byte{}
	for _, v := range good {
		f.Add(append(all[:len(all):len(all)], v.Frame...), uint32(len(v.Frame)), uint32(0), uint32(MaxHello), false, uint64(1))
		if len(v.Payload) < 100 {
			all = append(all, v.Frame...)
		}
	}
	for i, v := range bad {
		f.Add([]byte(v.Frame), uint32(LargestData), uint32(MaxHello), uint32(0), i%2 == 0, uint64(i))
	}
	f.Add(append(all, headerCRC(1, "page")...), uint32(0), uint32(0), uint32(0), true, uint64(2))
	f.Fuzz(func(t *testing.T, stream []byte, data, ping, pong uint32, crc bool, seed uint64) {
		limits := Limits{Data: data, Ping: ping, Pong: pong, HeaderCRC: crc}
		refer(t, limits, cut(stream, seed)...)
	})
}

// FuzzRoundTrip: what Header writes, codectest writes too, and a Splitter reads back if the length is
// within the limits.
func FuzzRoundTrip(f *testing.F) {
	good, _ := vectors(f)
	for i, v := range good {
		f.Add(v.Channel, v.Type, v.Flags, []byte(v.Payload), i%2 == 0, uint64(i))
		f.Add(v.Channel, byte(Data), v.Flags|byte(HeaderCRC), []byte(v.Payload), i%2 == 0, uint64(i))
	}
	f.Fuzz(func(t *testing.T, channel uint32, typ, flags byte, payload []byte, crc bool, seed uint64) {
		h := Header{Channel: channel, Type: Type(typ), Flags: Flags(flags), Length: uint32(len(payload))}
		limits := Limits{HeaderCRC: crc}
		frame := h.Append([]byte("before"), payload)[len("before"):]
		if crc && h.Type == Data && h.Flags&HeaderCRC != 0 {
			h.Put(frame, nil)
		}
		in := codectest.Frame{Channel: channel, Type: typ, Flags: flags, Payload: append([]byte{}, payload...)}
		if want := codectest.Encode(codectest.Limits(limits), in); !bytes.Equal(frame, want) {
			t.Fatalf("encoded %x, want %x", frame, want)
		}
		want := []codectest.Frame{in, in}
		if limits.check(h) != nil {
			want = nil
		}
		if got := refer(t, limits, cut(append(frame, frame...), seed)...); !reflect.DeepEqual(got, want) {
			t.Fatalf("read back %v, want %v", got, want)
		}
	})
}

// param is one parameter.
type param struct {
	typ   ParamType
	value []byte
}

// slowParams lists the parameters of b up to the first fault, and returns whether there is none.
func slowParams(b []byte) (list []param, ok bool) {
	seen := make(map[uint8]bool)
	for r := bytes.NewReader(b); r.Len() > 0; {
		var head struct {
			Type   uint8
			Length uint16
		}
		if binary.Read(r, binary.BigEndian, &head) != nil || seen[head.Type] {
			return list, false
		}
		seen[head.Type] = true
		value := make([]byte, head.Length)
		if _, err := io.ReadFull(r, value); err != nil {
			return list, false
		}
		list = append(list, param{ParamType(head.Type), value})
	}
	return list, true
}

// FuzzParams: ParseParams finds what a slow one finds, and what it finds, appended again, is what it read.
func FuzzParams(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 0, 1, 7, 2, 0, 4, 0, 1, 0, 0, 3, 0, 4, 'e', 'c', 'h', 'o', 4, 0, 0})
	f.Add([]byte{4, 0, 1, 0, 4, 0, 1, 0})
	f.Add([]byte{200, 0xff, 0xff, 1})
	f.Add([]byte{3, 0})
	good, _ := vectors(f)
	for _, v := range good {
		f.Add([]byte(v.Payload))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var got []param
		var again []byte
		err := ParseParams(b, func(typ ParamType, value []byte) error {
			got = append(got, param{typ, append([]byte{}, value...)})
			again = AppendParam(again, typ, value)
			return nil
		})
		want, ok := slowParams(b)
		if (err == nil) != ok || !reflect.DeepEqual(got, want) {
			t.Fatalf("parameters %v, error %v, want %v, whole %v", got, err, want, ok)
		}
		if !bytes.HasPrefix(b, again) || ok && len(again) != len(b) {
			t.Fatalf("appended again %x, read %x", again, b)
		}
	})
}
