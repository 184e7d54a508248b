//go:build linux

package engine_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine"
)

// story is one conversation with a client that misbehaves, or is at the edge of what is allowed.
type story struct {
	name   string
	script string // of rawPeer.play

	opens, bytes int // what of it reaches the application
}

// play plays each story on a connection of its own. After each, the witness is served as before and
// nothing of the connection is left.
func (s *rawServer) play(t *testing.T, stories []story) {
	for _, st := range stories {
		t.Run(st.name, func(t *testing.T) {
			opens, bytes := s.reached()
			p := s.dial(t)
			p.play(st.script)
			p.conn.Close()
			s.survives(t)
			o, b := s.reached()
			if o -= opens; o != st.opens {
				t.Errorf("%d opens reached the application, want %d", o, st.opens)
			}
			if b -= bytes; b != st.bytes {
				t.Errorf("%d bytes reached the application, want %d", b, st.bytes)
			}
		})
	}
}

// onBackends runs a test on each backend.
func onBackends(t *testing.T, f func(t *testing.T, b engine.Backend)) {
	for _, b := range backends {
		t.Run(string(b), func(t *testing.T) { f(t, b) })
	}
}

// onBackendsAtOnce runs a test on all backends at the same time, as atOnce does.
func onBackendsAtOnce(t *testing.T, f func(t *testing.T, b engine.Backend)) {
	subtests := make(map[string]func(t *testing.T))
	for _, b := range backends {
		subtests[string(b)] = func(t *testing.T) { f(t, b) }
	}
	atOnce(t, subtests)
}

func TestHostileFrames(t *testing.T) {
	playOnServers(t, engine.Config{}, []chapter{
		{"framing", framing},
		{"types", typesUnknown()},
		{"lengths", lengths()},
		{"opening", opening},
		{"parameters", parameters()},
		{"idle", onIdle()},
		{"late", late()},
		{"windows", windows},
		{"closing", closing},
		{"ping", pinging},
		{"errors", errorFrames},
	})
}

var framing = []story{
	{name: "first byte of the magic", script: `
		bytes "TS\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00\xbc\x47\x2d\xa7"
		! PROTOCOL`},
	{name: "second byte of the magic", script: `
		bytes "S\x00\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00\xbc\x47\x2d\xa7"
		! PROTOCOL`},
	{name: "garbage behind a frame", opens: 1, script: `
		> OPEN 1
		< ACK 1
		bytes "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
		! PROTOCOL`},
	{name: "ten frames in one write", opens: 3, bytes: 6, script: `
		> OPEN 1; DATA 1 "a"; DATA 1 "b"; OPEN 3; DATA 3 "c"; DATA 3 "d"; OPEN 5; DATA 5 "e"; DATA 5 "f"; PING 0 "p"
		< PONG 0 "p"
		< ACK 1
		< ACK 3
		< ACK 5
		< DATA 1 "a"
		< DATA 1 "b"
		< DATA 3 "c"
		< DATA 3 "d"
		< DATA 5 "e"
		< DATA 5 "f"
		alive`},
	{name: "a first fault counts: type before length", script: `
		head type10 1 0xffffffff
		! UNSUPPORTED`},
	{name: "flags before channel", script: `
		> PING 1 flags 0x01 "p"
		! UNSUPPORTED`},
	{name: "flags before state", script: `
		> DATA 7 flags 0x01 "x"
		! UNSUPPORTED`},
	{name: "PRIORITY was not offered, on whatever channel", script: `
		> PRIORITY 0 "\x03"
		! UNSUPPORTED`},
}

// typesUnknown has every type and every flag that the base profile does not know.
func typesUnknown() (out []story) {
	for n := range 128 {
		if n == 0 || n >= 10 {
			out = append(out, story{name: fmt.Sprintf("type %d", n), script: fmt.Sprintf(`
				> type%d 1
				! UNSUPPORTED`, n)})
		}
	}
	var all strings.Builder
	for n := 128; n < 256; n++ {
		fmt.Fprintf(&all, "> type%d %d flags %#x *%d\n", n, n, n, 4096*(n-128)/127)
	}
	out = append(out,
		story{name: "types 128 to 255 are skipped", script: all.String() + "alive"},
		story{name: "PRIORITY", opens: 1, script: `
			> OPEN 1
			< ACK 1
			> PRIORITY 1 "\x03"
			! UNSUPPORTED`})
	for bit := range 8 {
		out = append(out, story{name: fmt.Sprintf("DATA with flag %#02x", 1<<bit), opens: 1, script: fmt.Sprintf(`
			> OPEN 1
			< ACK 1
			> DATA 1 flags %#x "x"
			! UNSUPPORTED`, 1<<bit)})
	}
	for _, frame := range []string{
		"OPEN 3 flags 1", "CLOSE 1 flags 1", "ACK 1 flags 1", "ERROR 1 flags 1 REFUSED", "ERROR 0 flags 1 PROTOCOL",
		"PING 0 flags 1", "PONG 0 flags 1", "FLOW_CONTROL 1 flags 1 4096",
	} {
		out = append(out, story{name: "flags on " + frame, opens: 1, script: `
			> OPEN 1
			< ACK 1
			> ` + frame + `
			! UNSUPPORTED`})
	}
	return out
}

// lengths has the length limit of every type, and what is refused as soon as the length is known: the
// client sends 12 bytes and waits.
func lengths() (out []story) {
	for _, t := range []struct {
		frame string
		bad   []uint32
	}{
		{"OPEN 3", []uint32{4097}},
		{"CLOSE 1", []uint32{1}},
		{"DATA 1", []uint32{65537, 1 << 20}},
		{"ACK 1", []uint32{4097}},
		{"ERROR 1", []uint32{1, 2, 3, 1025}},
		{"PING 0", []uint32{257, 2048, 65536}},
		{"PONG 0", []uint32{257}},
		{"FLOW_CONTROL 1", []uint32{0, 3, 5, 8}},
		{"PRIORITY 1", []uint32{0, 2}},
		{"type128 0", []uint32{4097}},
		{"type255 0", []uint32{4097}},
	} {
		for _, n := range append(t.bad, 0x80000000, 0xffffffff) {
			out = append(out, story{name: fmt.Sprintf("%s of %d bytes", t.frame, n), opens: 1, script: fmt.Sprintf(`
				> OPEN 1
				< ACK 1
				head %s %d
				! FRAME_SIZE`, t.frame, n)})
		}
	}
	return append(out,
		story{name: "DATA of 65,536 bytes", opens: 1, bytes: 65536, script: `
			> OPEN 1 target=discard
			< ACK 1
			> DATA 1 *65536
			alive`},
		story{name: "HELLO of 2,048 bytes, with a parameter that nobody knows", script: `
			> PING 0 0 "SSC?\x63\x07\xf5" *2037
			< PONG 0 HELLO
			alive`},
		story{name: "HELLO of 2,049 bytes", script: `
			head PING 0 2049
			! FRAME_SIZE`},
	)
}

var opening = []story{
	{name: "three channels", opens: 3, script: `
		> OPEN 1; OPEN 3; OPEN 5
		< ACK 1
		< ACK 3
		< ACK 5
		alive`},
	{name: "the server's parity", script: `
		> OPEN 2
		! PROTOCOL`},
	{name: "id 0", script: `
		> OPEN 0
		! PROTOCOL`},
	{name: "ids going down", opens: 1, script: `
		> OPEN 5
		< ACK 5
		> OPEN 3
		! PROTOCOL`},
	{name: "the same id twice", opens: 1, script: `
		> OPEN 1
		< ACK 1
		> OPEN 1
		! PROTOCOL`},
	{name: "the id of a closed channel", opens: 1, script: `
		> OPEN 1
		< ACK 1
		> CLOSE 1
		< ACK 1
		> OPEN 1
		! PROTOCOL`},
	{name: "the id of a refused channel", opens: 1, script: `
		> OPEN 1 target=nobody
		< ERROR 1 REFUSED
		> OPEN 1
		! PROTOCOL`},
	{name: "the last id there is", opens: 1, bytes: 4, script: `
		> OPEN 4294967295
		< ACK 4294967295
		> DATA 4294967295 "last"
		< DATA 4294967295 "last"
		> OPEN 1
		! PROTOCOL`},
	{name: "data behind an open", opens: 1, bytes: 5, script: `
		> OPEN 1; DATA 1 "early"
		< ACK 1
		< DATA 1 "early"
		alive`},
	{name: "data behind a refused open", opens: 1, script: `
		> OPEN 1 target=nobody; DATA 1 "early"
		< ERROR 1 REFUSED
		alive`},
	{name: "the server opens one too", opens: 1, bytes: 2, script: `
		> OPEN 1 target=callback
		< ACK 1
		< OPEN 2
		> ACK 2; DATA 2 "hi"
		< DATA 2 "hi"
		> CLOSE 2
		< ACK 2
		alive`},
	{name: "the server opens one and is refused", opens: 1, script: `
		> OPEN 1 target=callback
		< ACK 1
		< OPEN 2
		> ERROR 2 REFUSED
		alive`},
	{name: "data before the server's open is answered", opens: 1, script: `
		> OPEN 1 target=callback
		< ACK 1
		< OPEN 2
		> DATA 2 "hi"
		! PROTOCOL`},
	{name: "credit before the server's open is answered", opens: 1, script: `
		> OPEN 1 target=callback
		< ACK 1
		< OPEN 2
		> FLOW_CONTROL 2 4096
		! PROTOCOL`},
	{name: "CLOSE before the server's open is answered", opens: 1, script: `
		> OPEN 1 target=callback
		< ACK 1
		< OPEN 2
		> CLOSE 2
		! PROTOCOL`},
}

// parameters has OPENs whose parameters are none: the channel is refused, no application sees it, and the
// connection lives.
func parameters() (out []story) {
	for _, c := range []struct{ name, payload string }{
		{"one byte", `"\x03"`},
		{"no length", `"\x03\x00"`},
		{"no parameter at all", `"hello, world"`},
		{"a value cut short", `"\x03\x00\x05echo"`},
		{"a second parameter cut short", `target=echo "\x04\x00"`},
		{"a target twice", `target=echo target=echo`},
		{"an unknown one twice", `"\x63\x00\x00\x63\x00\x00"`},
		{"priority 8", `"\x01\x00\x01\x08"`},
		{"a priority of two bytes", `"\x01\x00\x02\x00\x03"`},
		{"a priority of no bytes", `"\x01\x00\x00"`},
		{"a window of 2^31", `"\x02\x00\x04\x80\x00\x00\x00"`},
		{"a window of three bytes", `"\x02\x00\x03\x00\x00\x00"`},
		{"a target that is no UTF-8", `"\x03\x00\x02\xc3\x28"`},
		{"a target of 1,025 bytes", `"\x03\x04\x01" *1025`},
	} {
		out = append(out, story{name: c.name, opens: 1, bytes: 4, script: `
			> OPEN 1 ` + c.payload + `
			< ERROR 1 PROTOCOL
			alive
			> DATA 1 "late"; FLOW_CONTROL 1 4096; CLOSE 1
			alive
			> OPEN 3; DATA 3 "next"
			< ACK 3
			< DATA 3 "next"`})
	}
	for _, c := range []struct{ name, target string }{
		{"a target that nobody has", `"\x03\x00\x06nobody"`},
		{"a target with a NUL", `"\x03\x00\x05echo\x00"`},
		{"a target of two lines", `"\x03\x00\x0aecho\nroot>"`},
		{"a target with an escape", `"\x03\x00\x08\x1b[2Jecho"`},
		{"a source of no number", `"\x03\x00\x08source:x"`},
		{"a source of 2^64 bytes", `"\x03\x00\x1bsource:18446744073709551616"`},
	} {
		out = append(out, story{name: c.name, opens: 1, script: `
			> OPEN 1 ` + c.target + `
			< ERROR 1 REFUSED
			alive`})
	}
	return append(out,
		story{name: "unknown ones are skipped", opens: 1, script: `
			> OPEN 1 "\x63\x00\x01x" target=discard "\x64\x00\x00"
			< ACK 1
			alive`},
		story{name: "4,096 bytes of them", opens: 1, script: `
			> OPEN 1 "\x04\x0f\xfd" *4093
			< ACK 1
			alive`},
	)
}

// onIdle has frames of channels that nobody has opened.
func onIdle() (out []story) {
	for _, id := range []int{7, 2, 4294967294} {
		for _, frame := range []string{"CLOSE %d", `DATA %d "x"`, "DATA %d", "ACK %d", "ERROR %d REFUSED", "ERROR %d", "FLOW_CONTROL %d 4096"} {
			frame = fmt.Sprintf(frame, id)
			out = append(out, story{name: frame, opens: 1, script: `
				> OPEN 5
				< ACK 5
				> ` + frame + `
				! PROTOCOL`})
		}
	}
	for _, frame := range []string{"CLOSE 0", `DATA 0 "x"`, "ACK 0", "FLOW_CONTROL 0 4096"} {
		out = append(out, story{name: frame, script: `
			> ` + frame + `
			! PROTOCOL`})
	}
	return out
}

// late has frames of channels that have ended: they are ignored as long as there is room for them, or tokens.
func late() (out []story) {
	for _, frame := range []string{"CLOSE 1", "ACK 1", "ERROR 1 CANCELLED", "ERROR 1", "FLOW_CONTROL 1 4096", "FLOW_CONTROL 1 0", "DATA 1"} {
		out = append(out, story{name: frame, opens: 2, bytes: 2, script: `
			> OPEN 1; OPEN 3
			< ACK 1
			< ACK 3
			> CLOSE 1
			< ACK 1
			> ` + frame + ` times 9000
			alive
			> DATA 3 "on"
			< DATA 3 "on"
			> ` + frame + ` times 20000
			! CALM`})
	}
	return append(out,
		story{name: "DATA is paid by its size", opens: 1, script: `
			> OPEN 1
			< ACK 1
			> CLOSE 1
			< ACK 1
			> DATA 1 *65535; DATA 1 "x"
			alive
			> DATA 1 "x"
			! CALM`},
		story{name: "a window that was used gives no credit", opens: 1, bytes: 65536, script: `
			> OPEN 1 target=hold; DATA 1 *65536
			< ACK 1
			> CLOSE 1
			< ACK 1
			> ACK 1 times 5
			alive
			> DATA 1 "x"
			! CALM`},
		story{name: "a refused channel gives credit as well", opens: 1, script: `
			> OPEN 1 target=nobody; DATA 1 *65536
			< ERROR 1 REFUSED
			> CLOSE 1; ERROR 1 CANCELLED; FLOW_CONTROL 1 4096; ACK 1
			alive
			> DATA 1 "x"
			! CALM`},
		story{name: "a channel that was reset gives credit as well", opens: 1, script: `
			> OPEN 1
			< ACK 1
			> ERROR 1 CANCELLED; DATA 1 *65536; ERROR 1 CANCELLED times 4
			alive
			> DATA 1 "x"
			! CALM`},
		story{name: "an id that was skipped gives none", opens: 1, script: `
			> OPEN 7
			< ACK 7
			> CLOSE 3
			alive
			> DATA 3 "x"
			! CALM`},
	)
}

var windows = []story{
	{name: "more than the window, to an application that takes nothing back", opens: 1, bytes: 65536, script: `
		> OPEN 1 target=hold
		< ACK 1
		> DATA 1 *65536
		alive
		> DATA 1 "x"
		! FLOW_CONTROL`},
	{name: "a frame more than the window, right behind it", opens: 1, bytes: 65536, script: `
		> OPEN 1 target=hold
		< ACK 1
		> DATA 1 *65536; DATA 1 *16384
		! FLOW_CONTROL`},
	{name: "a frame that the window holds in part", opens: 1, bytes: 40000, script: `
		> OPEN 1 target=hold
		< ACK 1
		> DATA 1 *40000
		alive
		> DATA 1 *30000
		! FLOW_CONTROL`},
	{name: "a grant of nothing", opens: 1, script: `
		> OPEN 1
		< ACK 1
		> FLOW_CONTROL 1 0
		! PROTOCOL`},
	{name: "the largest window there is, and one more", opens: 1, script: `
		> OPEN 1
		< ACK 1
		> FLOW_CONTROL 1 2147418111
		alive
		> FLOW_CONTROL 1 1
		! FLOW_CONTROL`},
	{name: "a grant of 2^31-1", opens: 1, script: `
		> OPEN 1
		< ACK 1
		> FLOW_CONTROL 1 2147483647
		! FLOW_CONTROL`},
	{name: "a grant of 2^32-1", opens: 1, script: `
		> OPEN 1
		< ACK 1
		> FLOW_CONTROL 1 4294967295
		! FLOW_CONTROL`},
}

var closing = []story{
	{name: "a close", opens: 1, script: `
		> OPEN 1
		< ACK 1
		> CLOSE 1
		< ACK 1
		alive`},
	{name: "an open and a close", opens: 1, script: `
		> OPEN 1; CLOSE 1
		< ACK 1
		< ACK 1
		alive`},
	{name: "data before a close is delivered", opens: 1, bytes: 4, script: `
		> OPEN 1 target=discard; DATA 1 "last"; CLOSE 1
		< ACK 1
		< ACK 1
		alive`},
	{name: "a close twice", opens: 1, script: `
		> OPEN 1
		< ACK 1
		> CLOSE 1; CLOSE 1
		< ACK 1
		alive`},
	{name: "an ACK of nothing", opens: 1, bytes: 2, script: `
		> OPEN 1
		< ACK 1
		> ACK 1; ACK 1
		alive
		> DATA 1 "on"
		< DATA 1 "on"`},
	{name: "the server closes", opens: 1, script: `
		> OPEN 1 target=source:3
		< ACK 1
		< DATA 1 "\x00\x01\x02"
		< CLOSE 1
		> ACK 1
		alive`},
	{name: "both close", opens: 1, script: `
		> OPEN 1 target=source:3
		< ACK 1
		< DATA 1 "\x00\x01\x02"
		< CLOSE 1
		> CLOSE 1
		< ACK 1
		> ACK 1
		alive`},
	{name: "both close, the ACK first", opens: 1, script: `
		> OPEN 1 target=source:3
		< ACK 1
		< DATA 1 "\x00\x01\x02"
		< CLOSE 1
		> ACK 1; CLOSE 1
		alive`},
	{name: "data while the server closes is dropped", opens: 1, script: `
		> OPEN 1 target=source:3
		< ACK 1
		< DATA 1 "\x00\x01\x02"
		< CLOSE 1
		> DATA 1 *65536; ACK 1
		alive`},
	{name: "more data than the window while the server closes", opens: 1, script: `
		> OPEN 1 target=source:3
		< ACK 1
		< DATA 1 "\x00\x01\x02"
		< CLOSE 1
		> DATA 1 *65536; DATA 1 "x"
		! FLOW_CONTROL`},
}

var pinging = []story{
	{name: "PINGs of all sizes", script: `
		> PING 0
		< PONG 0
		> PING 0 "1"
		< PONG 0 "1"
		> PING 0 "four"
		< PONG 0 "four"
		> PING 0 *256
		< PONG 0 (256 bytes)`},
	{name: "on a channel", opens: 1, script: `
		> OPEN 1
		< ACK 1
		> PING 1 "p"
		! PROTOCOL`},
	{name: "PONG on a channel", opens: 1, script: `
		> OPEN 1
		< ACK 1
		> PONG 1 "p"
		! PROTOCOL`},
	{name: "PONG to no PING", script: `
		> PONG 0 "unasked"; PONG 0; PONG 0 *256
		alive`},
	{name: "PONG as the first frame", script: `
		> PONG 0 "unasked"
		alive`},
	{name: "PING while the server's window is used up", opens: 1, bytes: 65536, script: `
		> OPEN 1 target=hold; DATA 1 *65536
		< ACK 1
		> PING 0 "p"
		< PONG 0 "p"`},
}

var errorFrames = []story{
	{name: "a reset is not answered", opens: 1, script: `
		> OPEN 1
		< ACK 1
		> ERROR 1 CANCELLED "no more"
		alive`},
	{name: "a reset without a code", opens: 1, script: `
		> OPEN 1
		< ACK 1
		> ERROR 1
		alive`},
	{name: "a reset with a code nobody knows", opens: 1, script: `
		> OPEN 1
		< ACK 1
		> ERROR 1 4294967295 "\x1b[2J\n\x00\xff"
		alive`},
	{name: "the client gives up", opens: 1, script: `
		> OPEN 1
		< ACK 1
		> ERROR 0 PROTOCOL "you are wrong"
		closed`},
	{name: "the client gives up without a code", opens: 1, script: `
		> OPEN 1
		< ACK 1
		> ERROR 0
		closed`},
	{name: "GOAWAY lets channels end", opens: 1, bytes: 2, script: `
		> OPEN 1
		< ACK 1
		> ERROR 0 NO_ERROR 0 "maintenance"
		alive
		> DATA 1 "on"
		< DATA 1 "on"
		> CLOSE 1
		< ACK 1
		closed`},
	{name: "GOAWAY without channels", script: `
		> ERROR 0 NO_ERROR 0
		closed`},
	{name: "no opens behind GOAWAY", opens: 1, script: `
		> OPEN 1
		< ACK 1
		> ERROR 0 NO_ERROR 0; OPEN 3
		< ERROR 3 REFUSED
		alive`},
	{name: "GOAWAY without an id", script: `
		> ERROR 0 NO_ERROR
		! FRAME_SIZE`},
	{name: "GOAWAY with half an id", script: `
		> ERROR 0 NO_ERROR "\x00\x00\x00"
		! FRAME_SIZE`},
}

// TestOtherProtocols: clients that speak something else are told in at most 64 bytes.
func TestOtherProtocols(t *testing.T) {
	hello := "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x5a", 506) // of TLS 1.3
	onBackends(t, func(t *testing.T, b engine.Backend) {
		s := serveRaw(t, engine.Config{Backend: b})
		for _, c := range []struct {
			name, text string
			code       codec.Code
		}{
			{"HTTP", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", codec.ProtocolError},
			{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", codec.ProtocolError},
			{"TLS", hello, codec.ProtocolError},
			{"SSH, which begins with our magic", "SSH-2.0-OpenSSH_9.9\r\n", codec.Unsupported},
		} {
			p := s.dial(t)
			p.step = c.name
			p.sendBytes([]byte(c.text))
			p.wantConnError(c.code)
			if p.bytesIn > 64 {
				t.Errorf("%s is answered with %d bytes", c.name, p.bytesIn)
			}
			p.conn.Close()
			s.survives(t)
		}
	})
}

// TestFlippedBits: a frame with any one bit of its header wrong ends the connection, for the fault that
// the order of checks (SPEC section 1) finds first, and reaches nobody. So does a wrong bit of a payload.
func TestFlippedBits(t *testing.T) {
	// What a flipped bit of the type makes of OPEN and of DATA: another type, whose length may be wrong.
	types := map[codec.Type]codec.Code{
		codec.Open ^ 1: codec.Unsupported, codec.Open ^ 2: codec.ChecksumError, codec.Open ^ 4: codec.ChecksumError,
		codec.Open ^ 8: codec.FrameSizeError, codec.Open ^ 16: codec.Unsupported, codec.Open ^ 32: codec.Unsupported,
		codec.Open ^ 64: codec.Unsupported, codec.Open ^ 128: codec.ChecksumError,
	}
	dataTypes := map[codec.Type]codec.Code{
		codec.Data ^ 1: codec.FrameSizeError, codec.Data ^ 2: codec.ChecksumError, codec.Data ^ 4: codec.ChecksumError,
		codec.Data ^ 8: codec.Unsupported, codec.Data ^ 16: codec.Unsupported, codec.Data ^ 32: codec.Unsupported,
		codec.Data ^ 64: codec.Unsupported, codec.Data ^ 128: codec.ChecksumError,
	}
	for _, victim := range []struct {
		name, before, frame string
		limit               uint32 // of the length
		types               map[codec.Type]codec.Code
	}{
		{"OPEN", "> PING 0\n< PONG 0", "OPEN 1 target=echo", 4096, types},
		{"DATA", "> OPEN 1\n< ACK 1", `DATA 1 "hello"`, 65536, dataTypes},
	} {
		t.Run(victim.name, func(t *testing.T) {
			onBackends(t, func(t *testing.T, b engine.Backend) {
				s := serveRaw(t, engine.Config{Backend: b})
				// Behind a length that has become larger come bytes enough for it, all of one write.
				filler := make([]byte, 65536)
				for bit := range 8*codec.HeaderSize + 8 {
					p := s.dial(t)
					p.play(victim.before)
					opens, bytes := s.reached()
					frame := p.encode(victim.frame)
					frame[bit/8] ^= 1 << (bit % 8)
					want := codec.ChecksumError
					switch bit / 8 {
					case 0, 1:
						want = codec.ProtocolError
					case 6:
						want = victim.types[codec.Type(frame[6])]
					case 8, 9, 10, 11:
						if binary.BigEndian.Uint32(frame[8:]) > victim.limit {
							want = codec.FrameSizeError
						}
					}
					p.step = fmt.Sprintf("bit %d of byte %d", bit%8, bit/8)
					p.sendBytes(append(frame, filler...))
					p.wantConnError(want)
					p.conn.Close()
					s.survives(t)
					if o, b := s.reached(); o != opens || b != bytes {
						t.Fatalf("%s: %d opens and %d bytes reached the application", p.step, o-opens, b-bytes)
					}
				}
			})
		})
	}
}

// TestChecksums: sums that are not the CRC-32 (IEEE) of the header's first 12 bytes and the payload, and one
// that is though it looks like none.
func TestChecksums(t *testing.T) {
	onServers(t, engine.Config{}, func(t *testing.T, s *rawServer) {
		sum := func(frame []byte, crc uint32) []byte {
			binary.BigEndian.PutUint32(frame[12:], crc)
			return frame
		}
		covered := func(frame []byte) []byte { return append(frame[:12:12], frame[16:]...) }
		for name, damage := range map[string]func(frame []byte) []byte{
			"the header only":  func(f []byte) []byte { return sum(f, crc32.ChecksumIEEE(f[:12])) },
			"the payload only": func(f []byte) []byte { return sum(f, crc32.ChecksumIEEE(f[16:])) },
			"little endian": func(f []byte) []byte {
				binary.LittleEndian.PutUint32(f[12:], crc32.ChecksumIEEE(covered(f)))
				return f
			},
			"CRC-32C": func(f []byte) []byte {
				return sum(f, crc32.Checksum(covered(f), crc32.MakeTable(crc32.Castagnoli)))
			},
			"0":         func(f []byte) []byte { return sum(f, 0) },
			"all ones":  func(f []byte) []byte { return sum(f, 0xffffffff) },
			"not final": func(f []byte) []byte { return sum(f, ^crc32.ChecksumIEEE(covered(f))) },
		} {
			p := s.dial(t)
			p.step = name
			p.send("OPEN 1")
			p.want("ACK 1")
			_, bytes := s.reached()
			p.sendBytes(damage(p.encode(`DATA 1 "hello"`)))
			p.wantConnError(codec.ChecksumError)
			p.conn.Close()
			s.survives(t)
			if _, b := s.reached(); b != bytes {
				t.Errorf("%s: %d bytes reached the application", name, b-bytes)
			}
		}
		for _, crc := range []uint32{0, 0xffffffff} {
			p := s.dial(t)
			p.step = fmt.Sprintf("a CRC that is %x", crc)
			p.send("OPEN 1")
			p.want("ACK 1")
			payload := payloadWithCRC(codec.Header{Type: codec.Data, Channel: 1, Length: 4}, crc)
			frame := fmt.Sprintf("DATA 1 %q", payload)
			if got := binary.BigEndian.Uint32(p.encode(frame)[12:]); got != crc {
				t.Fatalf("the test made a frame with CRC %x", got)
			}
			p.send(frame)
			p.want(frame)
			p.conn.Close()
			s.survives(t)
		}
		// The first frame of three in one write is handled, the third is not.
		opens, _ := s.reached()
		p := s.dial(t)
		bad := p.encode("PING 0")
		bad[15] ^= 1
		p.sendBytes(append(append(p.encode("OPEN 1"), bad...), p.encode("OPEN 3")...))
		f, err := p.next(reaction)
		if err == nil && show(f) == "ACK 1" { // it may leave before the second is looked at
			f, err = p.next(reaction)
		}
		if err != nil || show(f) != "ERROR 0 CHECKSUM" {
			t.Fatalf("after a bad second frame: %s", came(f, err))
		}
		p.conn.Close()
		s.survives(t)
		if o, _ := s.reached(); o != opens+1 {
			t.Errorf("%d opens of a good frame, a bad and a good one reached the application", o-opens)
		}
	})
}

// payloadWithCRC returns the four bytes with which a frame has that CRC. A CRC is linear: one bit of the
// payload changes the same bits of it whatever the rest is.
func payloadWithCRC(h codec.Header, crc uint32) []byte {
	crcOf := func(payload uint32) uint32 {
		b := make([]byte, codec.HeaderSize)
		h.Put(b, binary.BigEndian.AppendUint32(nil, payload))
		return binary.BigEndian.Uint32(b[12:])
	}
	type vector struct{ bits, payload uint32 } // flipping payload flips bits
	var basis [32]vector                       // by their highest bit
	reduce := func(v vector) vector {
		for i := 31; i >= 0; i-- {
			if v.bits>>i&1 == 1 && basis[i].bits != 0 {
				v.bits ^= basis[i].bits
				v.payload ^= basis[i].payload
			}
		}
		return v
	}
	for i := range 32 {
		v := reduce(vector{crcOf(1<<i) ^ crcOf(0), 1 << i})
		for k := 31; k >= 0; k-- {
			if v.bits>>k&1 == 1 {
				basis[k] = v
				break
			}
		}
	}
	return binary.BigEndian.AppendUint32(nil, reduce(vector{crcOf(0) ^ crc, 0}).payload)
}

// TestTruncatedFrames: the client ends its direction, or resets, in the middle of a frame. No byte of
// that frame is handled, and the application is told that this is no clean end.
func TestTruncatedFrames(t *testing.T) {
	onServers(t, engine.Config{}, func(t *testing.T, s *rawServer) {
		for _, c := range []struct {
			before, frame string
			channels      int // that are open then
		}{
			{"> PING 0\n< PONG 0", "OPEN 1 target=echo", 0},
			{"> OPEN 1\n< ACK 1", `DATA 1 "hello"`, 1},
			{"> OPEN 1; OPEN 3\n< ACK 1\n< ACK 3", "DATA 1 *65536", 2},
		} {
			for end, told := range map[string]error{"FIN": io.ErrUnexpectedEOF, "RST": syscall.ECONNRESET} {
				conns, channels := s.app.ended()
				frame := offline(t).encode(c.frame)
				var peers []*rawPeer
				for cut := 1; cut < len(frame); cut += max(1, cut/40*cut/8) {
					p := dialRaw(t, s.addr)
					p.play(c.before)
					p.step = fmt.Sprintf("%s after %d bytes of %.6s", end, cut, c.frame)
					peers = append(peers, p)
					p.sendBytes(frame[:cut])
					opens, bytes := s.reached()
					if end == "FIN" {
						p.conn.CloseWrite()
					} else {
						p.reset()
					}
					s.witnessed(t)
					if o, b := s.reached(); o != opens || b != bytes {
						t.Fatalf("%s: %d opens and %d bytes reached the application", p.step, o-opens, b-bytes)
					}
				}
				for _, p := range peers {
					if end == "FIN" {
						p.wantClosed()
						p.conn.Close()
					}
				}
				s.survives(t)
				allConns, allChannels := s.app.ended()
				ended := append(allConns[len(conns):], allChannels[len(channels):]...)
				for _, err := range ended {
					if !errors.Is(err, told) {
						t.Fatalf("%s in the middle of %.6s is seen as %v", end, c.frame, err)
					}
				}
				if want := len(peers) * (1 + c.channels); len(ended) != want {
					t.Fatalf("%d connections and channels ended, want %d", len(ended), want)
				}
			}
		}
		if opens, bytes := s.reached(); bytes != 0 {
			t.Errorf("%d bytes of truncated frames on %d channels reached the application", bytes, opens)
		}
	})
}

// TestMaxChannels: opens beyond Config.MaxChannels are refused, and taken again once others have ended.
func TestMaxChannels(t *testing.T) {
	onServers(t, engine.Config{MaxChannels: 2}, func(t *testing.T, s *rawServer) {
		s.play(t, []story{
			{name: "refused, and taken after a close", opens: 3, bytes: 4, script: `
				> OPEN 1; OPEN 3
				< ACK 1
				< ACK 3
				> OPEN 5; DATA 5 *65536
				< ERROR 5 REFUSED
				alive
				> DATA 1 "a"; DATA 3 "b"
				< DATA 1 "a"
				< DATA 3 "b"
				> CLOSE 1
				< ACK 1
				> OPEN 7
				< ACK 7
				> DATA 7 "c"; DATA 3 "d"
				< DATA 7 "c"
				< DATA 3 "d"
				> OPEN 9
				< ERROR 9 REFUSED
				> ERROR 7 CANCELLED; ERROR 3 CANCELLED
				alive
				> DATA 7 "late"
				alive`},
			{name: "taken after a reset", opens: 3, script: `
				> OPEN 1; OPEN 3
				< ACK 1
				< ACK 3
				> ERROR 3 CANCELLED
				alive
				> OPEN 5
				< ACK 5
				> OPEN 7
				< ERROR 7 REFUSED`},
			{name: "taken after the server's close", opens: 3, script: `
				> OPEN 1; OPEN 3 target=source:1
				< ACK 1
				< ACK 3
				< DATA 3 "\x00"
				< CLOSE 3
				> OPEN 5
				< ERROR 5 REFUSED
				> ACK 3
				alive
				> OPEN 7
				< ACK 7`},
			{name: "those that an application refuses take no place", opens: 4, script: `
				> OPEN 1 target=nobody; OPEN 3 target=nobody
				< ERROR 1 REFUSED
				< ERROR 3 REFUSED
				> OPEN 5; OPEN 7
				< ACK 5
				< ACK 7
				alive`},
			{name: "credit of the refused", opens: 2, script: `
				> OPEN 1; OPEN 3
				< ACK 1
				< ACK 3
				> OPEN 5; DATA 5 *65536; CLOSE 5; ERROR 5 CANCELLED; FLOW_CONTROL 5 4096; ACK 5
				< ERROR 5 REFUSED
				alive
				> DATA 5 "x"
				! CALM`},
		})
	})
}

// TestSourceKeepsToTheWindow: a source sends what was granted, to the byte.
func TestSourceKeepsToTheWindow(t *testing.T) {
	onServers(t, engine.Config{}, func(t *testing.T, s *rawServer) {
		p := s.dial(t)
		pattern := make([]byte, 5*startWindow)
		for i := range pattern {
			pattern[i] = byte(i)
		}
		p.play(`
			> OPEN 1 target=source
			< ACK 1`)
		p.wantData(1, pattern[:startWindow])
		p.wantAlive()
		p.send("FLOW_CONTROL 1 1")
		at := time.Now()
		p.wantData(1, pattern[:1])
		if took := time.Since(at); took > time.Second {
			t.Errorf("one byte of window is used after %v", took)
		}
		p.wantAlive()
		p.send("FLOW_CONTROL 1 65536")
		p.wantData(1, pattern[1:startWindow+1])
		p.wantAlive()
		// Another channel that is blocked holds nobody up.
		p.play(`
			> OPEN 3 target=source
			< ACK 3`)
		p.wantData(3, pattern[:startWindow])
		p.send("FLOW_CONTROL 1 65536")
		p.wantData(1, pattern[1:startWindow+1])
		p.wantAlive()
		p.conn.Close()
		s.survives(t)
	})
}

// TestGrants: a server grants half a window when that much is consumed, and less within a second.
func TestGrants(t *testing.T) {
	onServers(t, engine.Config{}, func(t *testing.T, s *rawServer) {
		p := s.dial(t)
		p.play(`
			> OPEN 1 target=discard; DATA 1 *32768
			< ACK 1
			alive`)
		if got := p.granted[1]; got != 32768 {
			t.Errorf("%d bytes are granted at once for 32,768 that are consumed", got)
		}
		p.send("DATA 1 *20000")
		at := time.Now()
		eventually(t, func() (bool, string) {
			p.wantAlive()
			return p.granted[1] == 52768, fmt.Sprintf("%d bytes are granted", p.granted[1])
		})
		if took := time.Since(at); took > 1500*time.Millisecond {
			t.Errorf("20,000 bytes are granted after %v, which should be one second", took)
		}
		p.conn.Close()
		s.survives(t)
	})
}

// TestErrorLingers: after a connection error the server waits a second for its peer to read and close, and
// then closes itself, whatever the peer does.
func TestErrorLingers(t *testing.T) {
	var trials []trial
	for name, after := range map[string]func(p *rawPeer){
		"silence": func(p *rawPeer) { p.wantClosed() },
		"more frames": func(p *rawPeer) {
			frames := p.encode("OPEN 1")
			for p.write(frames) == nil {
				time.Sleep(time.Millisecond)
			}
		},
	} {
		for _, b := range backends {
			trials = append(trials, trial{name + "/" + string(b), engine.Config{Backend: b}, func(t *testing.T, s *rawServer) {
				p := s.dial(t)
				p.send("CLOSE 1")
				p.want("ERROR 0 PROTOCOL")
				at := time.Now()
				after(p)
				if took := time.Since(at); took < 500*time.Millisecond || took > reaction {
					t.Errorf("closed after %v, which should be a second", took)
				}
				p.conn.Close()
				s.survives(t)
				if opens, _ := s.reached(); opens != 0 {
					t.Errorf("%d channels were opened after the error", opens)
				}
			}})
		}
	}
	tryAtOnce(t, trials)
}

// TestSilentPeers: who sends nothing, or begins a frame and does not end it, is not kept for ever. The
// deadlines are shorter here than their defaults.
func TestSilentPeers(t *testing.T) {
	const short = 400 * time.Millisecond
	var trials []trial
	for _, c := range []struct {
		name     string
		timeouts engine.Timeouts
		script   string
	}{
		{"nothing at all", engine.Timeouts{FirstFrame: short}, "closed"},
		{"half a first frame", engine.Timeouts{FirstFrame: short}, "head OPEN 1 0\nclosed"},
		{"half a header", engine.Timeouts{Frame: short}, "> PING 0\n< PONG 0\nhead OPEN 1 0\n! TIMEOUT"},
		{"a header without its payload", engine.Timeouts{Frame: short}, `
			> OPEN 1
			< ACK 1
			head DATA 1 100
			bytes "\x00\x00\x00\x00and some of the payload"
			! TIMEOUT`},
	} {
		for _, b := range backends {
			cfg := engine.Config{Backend: b, Timeouts: c.timeouts}
			trials = append(trials, trial{c.name + "/" + string(b), cfg, func(t *testing.T, s *rawServer) {
				p := s.dial(t)
				p.play(c.script)
				p.conn.Close()
				s.survives(t)
				s.ended(t, 1, codec.Timeout)
			}})
		}
	}
	tryAtOnce(t, trials)
}

// TestKeepalive: two PINGs that are not answered, and the connection ends. Any byte counts as an answer.
func TestKeepalive(t *testing.T) {
	onServers(t, engine.Config{Timeouts: engine.Timeouts{Keepalive: time.Second}}, func(t *testing.T, s *rawServer) {
		p := s.dial(t)
		p.play(`
			> OPEN 1
			< ACK 1
			< PING 0 "\x00\x00\x00\x01\x00\x00\x00\x00"
			> DATA 1 "here"
			< DATA 1 "here"
			< PING 0 "\x00\x00\x00\x02\x00\x00\x00\x00"`)
		s.witnessed(t) // answers its own
		p.want(`PING 0 "\x00\x00\x00\x03\x00\x00\x00\x00"`)
		s.witnessed(t)
		p.wantConnError(codec.Timeout)
		p.conn.Close()
		s.survives(t)
		s.ended(t, 1, codec.Timeout)
	})
}

// TestServerSpeaksSecond: a server sends nothing before the client's first frame, whatever its application
// does (SPEC section 3): the client knows by the first frame it reads which profile this is.
func TestServerSpeaksSecond(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		opened := make(chan struct{})
		app := &probe{connected: func(c *engine.Conn) {
			c.Open(engine.OpenOptions{})
			close(opened)
		}}
		s := serveRaw(t, engine.Config{Backend: b, Handler: app})
		p := s.dial(t)
		<-opened
		// A server that is right never fails this, however slow; one that is wrong has 200 ms to show it.
		if f, err := p.next(200 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("before the first frame: %s", came(f, err))
		}
	})
}

// flood is a client that repeats itself.
type flood struct {
	name   string
	script string                  // how it begins
	repeat func(i uint32) []string // what is sent then, for i from 0 on
	rounds int
	calm   bool   // it must end in CALM; otherwise the connection lives
	unread bool   // the client reads nothing of what comes
	after  string // a script for a connection that lives, and is read
}

// floods are sent in rounds of about 1,000 frames.
var floods = []flood{
	{name: "empty DATA", script: "> OPEN 1\n< ACK 1", rounds: 20, calm: true,
		repeat: same("DATA 1 times 1000")},
	{name: "grants of one byte", script: "> OPEN 1\n< ACK 1", rounds: 20, calm: true,
		repeat: same("FLOW_CONTROL 1 1 times 1000")},
	{name: "type 128", rounds: 20, calm: true,
		repeat: same("type128 0 *100 times 1000")},
	{name: "ACK of nothing", script: "> OPEN 1\n< ACK 1", rounds: 20, calm: true,
		repeat: same("ACK 1 times 1000")},
	{name: "PONG of nothing", rounds: 20, calm: true,
		repeat: same("PONG 0 *8 times 1000")},
	{name: "late frames", script: "> OPEN 1\n< ACK 1\n> CLOSE 1\n< ACK 1", rounds: 20, calm: true,
		repeat: same("ERROR 1 CANCELLED times 1000")},
	{name: "refused opens", rounds: 20, calm: true,
		repeat: each(1000, "OPEN %d target=nobody")},
	{name: "refused opens unread", rounds: 20, calm: true, unread: true,
		repeat: each(1000, "OPEN %d target=nobody")},
	{name: "malformed opens", rounds: 20, calm: true,
		repeat: each(1000, `OPEN %d "\x03"`)},
	{name: "opens and resets", rounds: 40, calm: true,
		repeat: each(500, "OPEN %d", "ERROR %[1]d CANCELLED")},
	{name: "PING unread", rounds: 40, calm: true, unread: true,
		repeat: same("PING 0 *256 times 1000")},
	{name: "all of it", script: "> OPEN 1\n< ACK 1", rounds: 40, calm: true,
		repeat: same("DATA 1 times 100", "FLOW_CONTROL 1 1 times 100", "type200 0 times 100", "ACK 1 times 100", "PONG 0 times 100", "PING 0 times 100")},
	{name: "opens and closes unread", rounds: 20, unread: true,
		repeat: each(500, "OPEN %d", "CLOSE %[1]d")},
	{name: "small DATA", script: "> OPEN 1 target=hold\n< ACK 1", rounds: 65,
		repeat: same(`DATA 1 "x" times 1000`), after: `
			> DATA 1 "x" times 536
			alive
			> DATA 1 "x"
			! FLOW_CONTROL`},
	{name: "small DATA echoed and never granted", script: "> OPEN 1\n< ACK 1", rounds: 65, unread: true,
		repeat: same(`DATA 1 "x" times 1000`)},
	{name: "sources unread", rounds: 1, unread: true,
		repeat: each(500, "OPEN %d target=source", "FLOW_CONTROL %[1]d 2000000000")},
	{name: "sources granted byte by byte", script: "> OPEN 1 target=source\n< ACK 1", rounds: 20, calm: true, unread: true,
		repeat: same("FLOW_CONTROL 1 1 times 1000")},
}

// same repeats the same frames.
func same(frames ...string) func(uint32) []string {
	return func(uint32) []string { return frames }
}

// each makes frames for n channels, with ids that go on from one round to the next.
func each(n uint32, frames ...string) func(uint32) []string {
	return func(i uint32) (out []string) {
		for k := range n {
			for _, f := range frames {
				out = append(out, fmt.Sprintf(f, 2*(i*n+k)+1))
			}
		}
		return out
	}
}

// heapGrowth is how much more heap a flood may make the process use, while its connection lives and when it
// is gone.
const heapGrowth = 8 << 20

// TestFloods: what is legal but no progress ends in CALM, or is bounded. A witness is served all the while.
func TestFloods(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		// With a small socket buffer it shows soon when a client does not read.
		s := serveRaw(t, engine.Config{Backend: b, Socket: engine.SocketConfig{WriteBuffer: 16 << 10}})
		calm := false
		for _, f := range floods {
			t.Run(f.name, func(t *testing.T) {
				calm = calm || f.calm
				heap := heapInUse()
				before, _ := s.app.ended()
				p := s.dialNarrow(t)
				p.play(f.script)
				ended := false
				for i := range f.rounds {
					err := p.write(p.encode(f.repeat(uint32(i))...))
					s.witnessed(t)
					if ends, _ := s.app.ended(); err != nil || len(ends) > len(before) {
						ended = true
						break
					}
				}
				switch {
				case f.calm && f.unread:
					// All is given back though this side holds on to its end.
					settles(t, "connections", func() int { return s.engine.Stats().Conns }, 1)
					settlesBelow(t, "descriptors", func() int { return used(t).fds }, s.before.fds+1)
					settlesBelow(t, "goroutines", func() int { return used(t).goroutines }, s.before.goroutines)
				case f.calm:
					for ended = false; !ended; {
						got, err := p.next(patience)
						if err != nil {
							t.Fatalf("instead of ERROR 0 CALM: %v", err)
						}
						ended = show(got) == "ERROR 0 CALM"
					}
				case ended:
					ends, _ := s.app.ended()
					t.Fatalf("the connection has ended: %v", ends[len(before):])
				}
				if f.calm {
					s.ended(t, len(before)+1, codec.Calm)
				} else if grown := heapInUse() - heap; grown > heapGrowth {
					t.Errorf("the heap has grown by %d bytes while the connection lives", grown)
				}
				p.play(f.after)
				p.reset()
				s.survives(t)
				if grown := heapInUse() - heap; grown > heapGrowth {
					t.Errorf("the heap has grown by %d bytes", grown)
				}
			})
		}
		if calm && s.engine.Stats().Rests == 0 {
			t.Error("nobody had to rest")
		}
	})
}

// TestOpensAndCloses: 10,000 channels opened and closed as fast as the socket takes them are no anomaly.
func TestOpensAndCloses(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		const channels = 10_000
		s := serveRaw(t, engine.Config{Backend: b})
		heap := heapInUse()
		p := s.dial(t)
		p.sendBytes(p.encode(each(channels, "OPEN %d", "CLOSE %[1]d")(0)...))
		acks := make(map[uint32]int)
		for range 2 * channels {
			f, err := p.next(patience)
			if err != nil || f.Type != codec.Ack {
				t.Fatal(came(f, err))
			}
			acks[f.Channel]++
		}
		for id := uint32(1); id < 2*channels; id += 2 {
			if acks[id] != 2 {
				t.Fatalf("%d ACKs on channel %d", acks[id], id)
			}
		}
		p.wantAlive()
		if grown := heapInUse() - heap; grown > heapGrowth {
			t.Errorf("the heap has grown by %d bytes", grown)
		}
		p.conn.Close()
		s.survives(t)
	})
}

// TestFramesAnnounced: connections that announce the largest frame and send one byte of it hold little more
// than that byte.
func TestFramesAnnounced(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		const conns = 300
		s := serveRaw(t, engine.Config{Backend: b})
		heap := heapInUse()
		begin := append(offline(t).encode("OPEN 1"), append(offline(t).head("DATA 1 65536"), 'x')...)
		var all []net.Conn
		for range conns {
			nc, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			nc.Write(begin)
			all = append(all, nc)
		}
		settles(t, "bytes", func() int { return int(s.engine.Stats().BytesIn) - s.witness.bytesOut }, conns*len(begin))
		s.witnessed(t)
		if grown := heapInUse() - heap; grown > heapGrowth {
			t.Errorf("the heap has grown by %d bytes for %d connections", grown, conns)
		}
		for _, nc := range all {
			nc.Close()
		}
		s.survives(t)
	})
}

// dialNarrow is dial of a peer that takes in little before it has to read.
func (s *rawServer) dialNarrow(t *testing.T) *rawPeer {
	t.Helper()
	s.before = used(t)
	return dialNarrow(t, s.addr)
}

func dialNarrow(t *testing.T, addr string) *rawPeer {
	t.Helper()
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
		return err
	}}
	nc, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return newRawPeer(t, nc.(*net.TCPConn))
}

// ended is that n connections have ended so far, the last one by a fault that this code names.
func (s *rawServer) ended(t *testing.T, n int, code codec.Code) {
	t.Helper()
	var ends []error
	settles(t, "ended connections", func() int { ends, _ = s.app.ended(); return len(ends) }, n)
	err := ends[n-1]
	var ce *engine.ConnError
	if !errors.As(err, &ce) || ce.Code != code || ce.Remote || ce.Err != nil {
		t.Errorf("the connection ended with %v, which should be %v", err, code)
	}
}
