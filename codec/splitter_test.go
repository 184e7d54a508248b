package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// heap is the plainest Buffers: it counts what it holds.
type heap struct{ live, largest int }

func (h *heap) Grow(b []byte, n int) []byte {
	if b == nil {
		h.live++
	}
	nb := append(make([]byte, 0, n), b...)
	h.largest = max(h.largest, cap(nb))
	return nb
}

func (h *heap) Free([]byte) { h.live-- }

// split feeds pieces to a fresh Splitter and lists what came out; the last line is the error, if any.
func split(t *testing.T, limits Limits, pieces ...[]byte) (out []string) {
	t.Helper()
	s, m := Splitter{Limits: limits}, new(heap)
	for _, p := range pieces {
		s.Feed(bytes.Clone(p))
		for {
			var f Frame
			ok, err := s.Next(&f, m)
			if err != nil {
				if f.Payload != nil {
					t.Errorf("payload handed over with error %v", err)
				}
				return append(out, err.Error())
			}
			if !ok {
				break
			}
			out = append(out, fmt.Sprintf("%v %x", f, f.Payload))
		}
	}
	if begun, _ := s.Partial(); begun {
		out = append(out, "incomplete")
	}
	s.Reset(m)
	if m.live != 0 {
		t.Errorf("%d buffers not given back", m.live)
	}
	return out
}

type vector struct {
	Name        string
	Channel     uint32
	Type, Flags uint8
	Payload     hexBytes
	Frame       hexBytes
	Error       string
}

type hexBytes []byte

func (b *hexBytes) UnmarshalText(text []byte) error {
	_, err := fmt.Sscanf(string(text), "%x", (*[]byte)(b))
	if len(text) == 0 {
		return nil
	}
	return err
}

func vectors(t testing.TB) (good, bad []vector) {
	raw, err := os.ReadFile("testdata/frames.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Good, Bad []vector }
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Good) < 31 || len(all.Bad) < 24 {
		t.Fatalf("%d good and %d bad vectors: some are missing", len(all.Good), len(all.Bad))
	}
	return all.Good, all.Bad
}

func TestGoodVectorsBothWays(t *testing.T) {
	good, _ := vectors(t)
	for _, v := range good {
		h := Header{Channel: v.Channel, Type: Type(v.Type), Flags: Flags(v.Flags), Length: uint32(len(v.Payload))}
		if got := h.Append(nil, v.Payload); !bytes.Equal(got, v.Frame) {
			t.Errorf("%s: encoded\n%x, want\n%x", v.Name, got, v.Frame)
		}
		want := []string{fmt.Sprintf("%v %x", Frame{h, v.Payload}, []byte(v.Payload))}
		if got := split(t, Limits{}, v.Frame); !equal(got, want) {
			t.Errorf("%s: decoded %q, want %q", v.Name, got, want)
		}
	}
}

func TestBadVectorsGiveTheirClass(t *testing.T) {
	_, bad := vectors(t)
	classes := map[string]Code{"magic": ProtocolError, "checksum": ChecksumError, "too large": FrameSizeError, "type": Unsupported}
	for _, v := range bad {
		s, m, f := Splitter{}, new(heap), Frame{}
		s.Feed(v.Frame)
		ok, err := s.Next(&f, m)
		if ok {
			t.Errorf("%s: handed over %v", v.Name, f)
		}
		if v.Error == "incomplete" {
			if begun, _ := s.Partial(); err != nil || begun != (len(v.Frame) > 0) {
				t.Errorf("%s: error %v, begun %v", v.Name, err, begun)
			}
			continue
		}
		var fe *FrameError
		if want, known := classes[v.Error]; !known || !errors.As(err, &fe) || fe.Code != want {
			t.Errorf("%s: error %v, want class %q", v.Name, err, v.Error)
		}
	}
}

// Every way to cut a stream in two, and byte by byte, yields what one piece yields.
func TestSplitInvariance(t *testing.T) {
	frame := func(typ Type, channel uint32, payload string) []byte {
		return Header{Channel: channel, Type: typ}.Append(nil, []byte(payload))
	}
	good := bytes.Join([][]byte{
		frame(Open, 1, ""), frame(Data, 1, strings.Repeat("x", 70)), frame(Data, 1, ""), frame(200, 9, "skip"),
		frame(FlowControl, 1, "\x00\x00\x10\x00"), frame(Data, 1, "y"), frame(Close, 1, ""),
	}, nil)
	damaged := bytes.Clone(good)
	damaged[len(damaged)-HeaderSize-1] ^= 1
	for name, stream := range map[string][]byte{
		"good": good, "damaged": damaged, "cut": good[:len(good)-3], "http": []byte("GET / HTTP/1.1\r\n"),
		"garbage behind": append(bytes.Clone(good), "\x53\x00"...),
		"oversize":       append(bytes.Clone(good), "\x53\x53\x00\x00\x00\x01\x03\x00\xff\xff\xff\xff"...),
	} {
		want := split(t, Limits{}, stream)
		for i := range stream {
			if got := split(t, Limits{}, stream[:i], stream[i:]); !equal(got, want) {
				t.Fatalf("%s cut at %d:\n%q, want\n%q", name, i, got, want)
			}
		}
		var single [][]byte
		for i := range stream {
			single = append(single, stream[i:i+1])
		}
		if got := split(t, Limits{}, single...); !equal(got, want) {
			t.Fatalf("%s byte by byte:\n%q, want\n%q", name, got, want)
		}
	}
}

func TestLimitsAreCheckedBeforeAnythingIsAllocated(t *testing.T) {
	for _, c := range []struct {
		typ    Type
		limits Limits
		ok     []uint32
		bad    []uint32
	}{
		{Open, Limits{}, []uint32{0, 4096}, []uint32{4097, 1 << 31, 1<<32 - 1}},
		{Close, Limits{}, []uint32{0}, []uint32{1}},
		{Data, Limits{}, []uint32{0, 65536}, []uint32{65537, 1 << 31, 1<<32 - 1}},
		{Data, Limits{Data: 1 << 20}, []uint32{65537, 1 << 20}, []uint32{1<<20 + 1}},
		{Data, Limits{Data: 4096}, []uint32{65536}, []uint32{65537}},
		{Ack, Limits{}, []uint32{0, 4096}, []uint32{4097}},
		{Error, Limits{}, []uint32{0, 4, 1024}, []uint32{1, 2, 3, 1025}},
		{Ping, Limits{}, []uint32{0, 1, 256}, []uint32{257, 2048}},
		{Ping, Limits{Ping: MaxHello}, []uint32{257, 2048}, []uint32{2049}},
		{Pong, Limits{}, []uint32{0, 256}, []uint32{257}},
		{Pong, Limits{Pong: MaxHello}, []uint32{2048}, []uint32{2049}},
		{FlowControl, Limits{}, []uint32{4}, []uint32{0, 3, 5, 8}},
		{Priority, Limits{}, []uint32{1}, []uint32{0, 2}},
		{FirstExtension, Limits{}, []uint32{0, 4096}, []uint32{4097}},
		{255, Limits{}, []uint32{0, 4096}, []uint32{4097, 1<<32 - 1}},
	} {
		var b [HeaderSize]byte
		for _, n := range c.ok {
			Header{Channel: 1, Type: c.typ, Length: n}.Put(b[:], nil)
			// Without the CRC, so that only step 1 of the checks is reached.
			if got := split(t, c.limits, b[:12]); !equal(got, []string{"incomplete"}) {
				t.Errorf("%v of length %d: %q", c.typ, n, got)
			}
		}
		for _, n := range c.bad {
			Header{Channel: 1, Type: c.typ, Length: n}.Put(b[:], nil)
			s, m, f := Splitter{Limits: c.limits}, new(heap), Frame{}
			s.Feed(b[:12])
			_, err := s.Next(&f, m)
			var fe *FrameError
			if !errors.As(err, &fe) || fe.Code != FrameSizeError || fe.Header.Length != n || m.largest != 0 {
				t.Errorf("%v of length %d: error %v, %d bytes allocated", c.typ, n, err, m.largest)
			}
		}
	}
	for typ := range FirstExtension {
		if typ >= Open && typ <= Priority {
			continue
		}
		var b [HeaderSize]byte
		Header{Channel: 1, Type: typ}.Put(b[:], nil)
		s, f := Splitter{}, Frame{}
		s.Feed(b[:12])
		_, err := s.Next(&f, nil)
		var fe *FrameError
		if !errors.As(err, &fe) || fe.Code != Unsupported || fe.Header.Type != typ {
			t.Errorf("type %d: %v", typ, err)
		}
	}
}

// A claim of 64 KiB costs nothing; only received bytes do.
func TestCarryGrowsWithTheBytesReceived(t *testing.T) {
	frame := Header{Channel: 1, Type: Data}.Append(nil, make([]byte, MaxData))
	s, m, f := Splitter{}, new(heap), Frame{}
	for i, b := range frame[:len(frame)-1] {
		s.Feed([]byte{b})
		if ok, err := s.Next(&f, m); ok || err != nil {
			t.Fatal(ok, err)
		}
		if received := max(0, i+1-HeaderSize); m.largest > received {
			t.Fatalf("%d bytes asked for when %d were received", m.largest, received)
		}
	}
	s.Feed(frame[len(frame)-1:])
	if ok, err := s.Next(&f, m); !ok || err != nil || len(f.Payload) != MaxData {
		t.Fatal(ok, err, len(f.Payload))
	}
}

func TestNoAllocationPerFrame(t *testing.T) {
	var stream []byte
	for i := range 100 {
		stream = Header{Channel: uint32(i), Type: Data}.Append(stream, make([]byte, 64))
		stream = append(stream, headerCRC(uint32(i), "unread")...)
	}
	s := Splitter{Limits: offered}
	var out [HeaderSize]byte
	n := testing.AllocsPerRun(100, func() {
		s.Feed(stream)
		var f Frame
		for {
			ok, err := s.Next(&f, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			f.Header.Put(out[:], f.Payload)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for 200 frames", n)
	}
}

func BenchmarkSplit(b *testing.B) {
	for _, size := range []int{0, 64, 1024, 16384} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			var stream []byte
			n := 0
			for len(stream)+HeaderSize+size <= 65536 {
				stream = Header{Channel: 1, Type: Data}.Append(stream, make([]byte, size))
				n++
			}
			var s Splitter
			var f Frame
			b.ReportAllocs()
			b.SetBytes(int64(HeaderSize + size))
			for i := 0; i < b.N; i += n {
				s.Feed(stream)
				for {
					if ok, err := s.Next(&f, nil); err != nil {
						b.Fatal(err)
					} else if !ok {
						break
					}
				}
			}
		})
	}
}

func equal(a, b []string) bool { return strings.Join(a, "\n") == strings.Join(b, "\n") }
