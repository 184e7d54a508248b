package codectest

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
)

type vector struct {
	Name           string
	Channel        uint32
	Type, Flags    byte
	Payload, Frame string
	Error          string
}

// The vectors come from another implementation, in another language.
func TestVectors(t *testing.T) {
	raw, err := os.ReadFile("../testdata/frames.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Good, Bad []vector }
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Good) == 0 || len(all.Bad) == 0 {
		t.Fatal("no vectors")
	}
	for _, v := range all.Good {
		want := Frame{v.Channel, v.Type, v.Flags, unhex(t, v.Payload)}
		stream := unhex(t, v.Frame)
		got, rest, err := Decode(stream, Limits{})
		if err != nil || rest != 0 || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Errorf("%s: decoded %v, %d bytes left, error %v", v.Name, got, rest, err)
		}
		if got := Encode(Limits{}, want); !bytes.Equal(got, stream) {
			t.Errorf("%s: encoded %x", v.Name, got)
		}
	}
	codes := map[string]uint32{"magic": ProtocolError, "too large": FrameSizeError, "checksum": ChecksumError, "type": Unsupported}
	for _, v := range all.Bad {
		stream := unhex(t, v.Frame)
		frames, rest, err := Decode(stream, Limits{})
		if got := codeOf(err); got != codes[v.Error] || len(frames) != 0 || rest != len(stream) {
			t.Errorf("%s: %d frames, %d bytes left, error %v, want %q", v.Name, len(frames), rest, err, v.Error)
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// codeOf is the code of an error, 0 without one.
func codeOf(err error) uint32 {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func TestDecodeStopsAtTheFirstFault(t *testing.T) {
	one, two := Frame{1, 3, 0, []byte("one")}, Frame{2, 200, 0xff, []byte{}}
	stream := Encode(Limits{}, one, two, Frame{3, 99, 0, nil}, one)
	frames, rest, err := Decode(stream, Limits{})
	if !reflect.DeepEqual(frames, []Frame{one, two}) || rest != 16+19 || codeOf(err) != Unsupported {
		t.Errorf("frames %v, %d bytes left, error %v", frames, rest, err)
	}
	if err.Error() != "type 99" {
		t.Errorf("error %q", err)
	}
	frames, rest, err = Decode(stream[:19+16+5], Limits{})
	if len(frames) != 2 || rest != 5 || err != nil {
		t.Errorf("cut: %d frames, %d bytes left, error %v", len(frames), rest, err)
	}
}

// Each row of the table of frames: the lengths it allows, as pairs of the first and the last.
func TestLengths(t *testing.T) {
	rows := map[byte][][2]int{
		1: {{0, 4096}}, 2: {{0, 0}}, 3: {{0, 65536}}, 4: {{0, 4096}}, 5: {{0, 0}, {4, 1024}}, 6: {{0, 256}},
		7: {{0, 256}}, 8: {{4, 4}}, 9: {{1, 1}}, 128: {{0, 4096}}, 255: {{0, 4096}},
	}
	for typ, ranges := range rows {
		for _, n := range []int{0, 1, 2, 3, 4, 5, 8, 255, 256, 257, 1024, 1025, 2048, 4096, 4097, 65536, 65537, math.MaxUint32} {
			allowed := false
			for _, r := range ranges {
				allowed = allowed || r[0] <= n && n <= r[1]
			}
			if got := lengthAllowed(typ, uint32(n), Limits{}); got != allowed {
				t.Errorf("%d bytes in type %d: allowed %v", n, typ, got)
			}
		}
	}
	raised := Limits{Data: 1 << 20, Ping: 2048, Pong: 2048}
	for typ, most := range map[byte]uint32{3: 1 << 20, 6: 2048, 7: 2048} {
		if !lengthAllowed(typ, most, raised) || lengthAllowed(typ, most+1, raised) {
			t.Errorf("type %d: not up to %d bytes", typ, most)
		}
	}
}

func TestHeaderCRC(t *testing.T) {
	offered, f := Limits{HeaderCRC: true}, Frame{1, 3, 4, []byte(strings.Repeat("page", 1000))}
	for _, limits := range []Limits{{}, offered} {
		for _, reader := range []Limits{{}, offered} {
			_, _, err := Decode(Encode(limits, f), reader)
			if want := limits != reader; (codeOf(err) == ChecksumError) != want {
				t.Errorf("sent for %+v, read with %+v: error %v", limits, reader, err)
			}
		}
	}
	if other := (Frame{0, 6, 4, []byte("ping")}); !bytes.Equal(Encode(offered, other), Encode(Limits{}, other)) {
		t.Error("the flag changes the CRC of a PING")
	}
}
