package codec

import (
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	for want, got := range map[string]string{
		"NO_ERROR":        NoError.String(),
		"CALM":            Calm.String(),
		"CANCELLED":       Cancelled.String(),
		"code 14":         (Cancelled + 1).String(),
		"code 256":        FirstApplicationCode.String(),
		"PRIORITY":        Priority.String(),
		"type 10":         (Priority + 1).String(),
		"type 128":        FirstExtension.String(),
		"OPEN 1":          Frame{Header: Header{Channel: 1, Type: Open}}.String(),
		`DATA 3 "hi\n"`:   Frame{Header{Channel: 3, Type: Data}, []byte("hi\n")}.String(),
		"DATA 5 flags 06": Frame{Header: Header{Channel: 5, Type: Data, Flags: Fin | HeaderCRC}}.String(),
		`PING 0 "` + strings.Repeat("x", 32) + `"... (33 bytes)`: Frame{Header{Type: Ping}, []byte(strings.Repeat("x", 33))}.String(),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestKnown(t *testing.T) {
	for c, want := range map[Code]Code{
		NoError: NoError, Cancelled: Cancelled, Cancelled + 1: Internal, FirstApplicationCode - 1: Internal,
		FirstApplicationCode: FirstApplicationCode, 1<<32 - 1: 1<<32 - 1,
	} {
		if got := c.Known(); got != want {
			t.Errorf("%v is known as %v, want %v", c, got, want)
		}
	}
}
