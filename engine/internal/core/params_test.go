package core

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/sscd-io/sscd/codec"
)

// slowParams lists the parameters of p, as SPEC section 3 has them, and returns whether that is what p is.
func slowParams(p []byte) (list map[byte][]byte, ok bool) {
	list = make(map[byte][]byte)
	for len(p) > 0 {
		if len(p) < 3 {
			return nil, false
		}
		t, n := p[0], int(p[1])<<8+int(p[2])
		if _, twice := list[t]; twice || len(p) < 3+n {
			return nil, false
		}
		list[t], p = p[3:3+n], p[3+n:]
	}
	return list, true
}

// number is a parameter of four bytes, or what it is without that, and whether it is from lo to hi.
func number(v []byte, without, lo, hi uint32) (uint32, bool) {
	if v == nil {
		return without, true
	}
	if len(v) != 4 {
		return 0, false
	}
	n := binary.BigEndian.Uint32(v)
	return n, n >= lo && n <= hi
}

// slowHello is ParseHello by the table of SPEC section 3.
func slowHello(p []byte) (h Hello, ok bool) {
	list, ok := slowParams(p)
	if !ok {
		return h, false
	}
	var good [7]bool
	h.Frame, good[0] = number(list[1], 65536, 4096, 1048576)
	h.Window, good[1] = number(list[2], 65536, 0, 1<<31-1)
	h.ConnWindow, good[2] = number(list[3], 0, 0, 1<<31-1)
	good[3] = h.ConnWindow == 0 || h.ConnWindow >= 65536
	features, four := number(list[4], 0, 0, 1<<32-1)
	h.Features, good[4] = codec.Features(features), four
	h.Channels, good[5] = number(list[5], 65536, 0, 1<<32-1)
	h.Credentials, h.Software = list[6], list[7]
	good[6] = len(h.Credentials) <= 1024 && len(h.Software) <= 64 && utf8.Valid(h.Software)
	return h, good == [...]bool{true, true, true, true, true, true, true}
}

// FuzzHello: ParseHello finds what a slow one finds, and what it finds, appended again, is found again.
func FuzzHello(f *testing.F) {
	f.Add([]byte{})
	for _, line := range []string{
		`frame=4096 window=0 conn-window=65536 features=15 channels=0 credentials=secret software=sscd/1`,
		`frame=1048577`, `conn-window=65535`, `features=1 features=1`, `"\x07\x00\x01\xff"`, `"\x04\x00\x04\x00"`,
		`"\x63\x00\x02hi" window=2147483648`, `"\x06\x00\x00" "\x07\x00\x00"`,
	} {
		p, err := parsePayload("HELLO? " + line)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p[len(helloAsk):])
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		got, err := ParseHello(p)
		want, ok := slowHello(p)
		if ok != (err == nil) {
			t.Fatalf("error %v, want none: %v", err, ok)
		}
		if !ok {
			return
		}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) || (got.Credentials == nil) != (want.Credentials == nil) {
			t.Fatalf("found %+v, want %+v", got, want)
		}
		again, err := ParseHello(got.Append(nil))
		if err != nil || fmt.Sprintf("%+v", again) != fmt.Sprintf("%+v", got) {
			t.Fatalf("appended and found again %+v, error %v, want %+v", again, err, got)
		}
	})
}

// slowOpen is ParseOpen by SPEC section 4.
func slowOpen(p []byte) (o OpenParams, ok bool) {
	list, ok := slowParams(p)
	if !ok {
		return o, false
	}
	o.Priority = 3
	if v, said := list[1]; said {
		if len(v) != 1 || v[0] > 7 {
			return o, false
		}
		o.Priority = v[0]
	}
	o.Window, ok = number(list[2], 0, 0, 1<<31-1)
	_, o.HasWindow = list[2]
	o.Target, o.Metadata = list[3], list[4]
	return o, ok && len(o.Target) <= 1024 && utf8.Valid(o.Target)
}

// FuzzOpen: the same of OPEN's parameters.
func FuzzOpen(f *testing.F) {
	f.Add([]byte{})
	for _, line := range []string{
		`priority=7 window=100000 target=file:/a/b metadata=x`, `priority=8`, `"\x01\x00\x02\x01\x01"`, `window=2147483648`,
		`target=a target=b`, `"\x03\x00\x01\xff"`, `"\x03\x04\x01" *1025`, `"\x02\x00\x00"`, `"\x04\x00\x00"`, `"\xff\x00"`,
	} {
		p, err := parsePayload(line)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		got, err := ParseOpen(p)
		want, ok := slowOpen(p)
		if ok != (err == nil) {
			t.Fatalf("error %v, want none: %v", err, ok)
		}
		if !ok {
			return
		}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Fatalf("found %+v, want %+v", got, want)
		}
		again, err := ParseOpen(got.Append(nil))
		if err != nil || fmt.Sprintf("%+v", again) != fmt.Sprintf("%+v", got) || !bytes.Equal(again.Target, got.Target) {
			t.Fatalf("appended and found again %+v, error %v, want %+v", again, err, got)
		}
	})
}
