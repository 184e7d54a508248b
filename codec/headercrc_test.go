package codec

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

var offered = Limits{HeaderCRC: true}

// headerCRC is a DATA frame whose CRC covers its header only.
func headerCRC(channel uint32, payload string) []byte {
	h := Header{Channel: channel, Type: Data, Flags: HeaderCRC, Length: uint32(len(payload))}
	b := make([]byte, HeaderSize)
	h.Put(b, nil)
	return append(b, payload...)
}

// code is the code of an error that must be a *FrameError.
func code(t *testing.T, err error) Code {
	t.Helper()
	var fe *FrameError
	if !errors.As(err, &fe) {
		t.Fatalf("error %v is no FrameError", err)
	}
	return fe.Code
}

func TestHeaderCRCCoversTheHeaderOnlyWhereOffered(t *testing.T) {
	for _, payload := range []string{"", "x", strings.Repeat("y", 63), strings.Repeat("z", MaxData)} {
		frame := headerCRC(5, payload)
		whole := fmt.Sprintf("%v %x", Frame{Header{5, uint32(len(payload)), Data, HeaderCRC}, []byte(payload)}, payload)
		if got := split(t, offered, frame); !equal(got, []string{whole}) {
			t.Errorf("%d bytes: %.100q", len(payload), got)
		}
		for _, cut := range []int{1, 12, HeaderSize, len(frame) - 1} {
			if got := split(t, offered, frame[:cut], frame[cut:]); !equal(got, []string{whole}) {
				t.Errorf("%d bytes, cut at %d: %.100q", len(payload), cut, got)
			}
		}
		refused := []string{"DATA on channel 5 has a wrong CRC"}
		if payload == "" {
			refused = []string{whole} // the CRC is the same either way
		}
		if got := split(t, Limits{}, frame); !equal(got, refused) {
			t.Errorf("%d bytes, not offered: %.100q", len(payload), got)
		}
	}
}

func TestHeaderCRCLeavesThePayloadUnchecked(t *testing.T) {
	frame := headerCRC(1, "payload")
	frame[HeaderSize] ^= 0x20
	if got := split(t, offered, frame); len(got) != 1 || !strings.Contains(got[0], `"Payload"`) {
		t.Errorf("got %q", got)
	}
}

func TestEveryBitOfAHeaderIsCoveredByHeaderCRC(t *testing.T) {
	frame := headerCRC(0x01020304, "payload")
	rest := make([]byte, MaxData) // so that no length makes the frame incomplete
	for bit := range 8 * HeaderSize {
		damaged := append(bytes.Clone(frame), rest...)
		damaged[bit/8] ^= 0x80 >> (bit % 8)
		s, f := Splitter{Limits: offered}, Frame{}
		s.Feed(damaged)
		ok, err := s.Next(&f, nil)
		if ok || f.Payload != nil {
			t.Fatalf("bit %d flipped: handed over %v", bit, f)
		}
		got, want := code(t, err), []Code{ChecksumError}
		switch bit / 8 {
		case 0, 1:
			want = []Code{ProtocolError}
		case 6:
			want = []Code{Unsupported, FrameSizeError, ChecksumError}
		case 8, 9, 10, 11:
			want = []Code{FrameSizeError, ChecksumError}
		}
		if !strings.Contains(fmt.Sprint(want), got.String()) {
			t.Errorf("bit %d flipped: %v, want one of %v", bit, got, want)
		}
	}
}

// The flag means nothing on other types: step 3 refuses it, once the CRC of all of the frame is right.
func TestHeaderCRCBelongsToDATA(t *testing.T) {
	for _, typ := range []Type{Ping, Ack, FirstExtension} {
		h := Header{Type: typ, Flags: HeaderCRC, Length: 4}
		frame := append(make([]byte, HeaderSize), "four"...)
		h.Put(frame, frame[HeaderSize:])
		if got := split(t, offered, frame); len(got) != 1 || !strings.Contains(got[0], `"four"`) {
			t.Errorf("%v: %q", typ, got)
		}
		h.Put(frame, nil)
		if got := split(t, offered, frame); len(got) != 1 || !strings.HasSuffix(got[0], "wrong CRC") {
			t.Errorf("%v over the header only: %q", typ, got)
		}
	}
}

// HELLO is the first frame, and what it says holds for the second.
func TestLimitsChangeBetweenFrames(t *testing.T) {
	hello := Header{Type: Ping}.Append(nil, make([]byte, MaxHello))
	large := headerCRC(1, strings.Repeat("x", 2*MaxData))
	for _, whole := range []bool{true, false} {
		s, m, f := Splitter{Limits: Limits{Ping: MaxHello}}, new(heap), Frame{}
		var got []Type
		pieces := [][]byte{append(append(bytes.Clone(hello), large...), hello...)}
		if !whole {
			pieces = [][]byte{pieces[0][:100], pieces[0][100 : len(hello)+100], pieces[0][len(hello)+100:]}
		}
		var err error
		for _, p := range pieces {
			s.Feed(p)
			var ok bool
			for ok, err = s.Next(&f, m); ok; ok, err = s.Next(&f, m) {
				got = append(got, f.Type)
				s.Limits = Limits{Data: 2 * MaxData, HeaderCRC: true}
			}
		}
		if len(got) != 2 || got[0] != Ping || got[1] != Data || code(t, err) != FrameSizeError {
			t.Errorf("frames %v, then %v", got, err)
		}
	}
}
