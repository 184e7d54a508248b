package core

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/sscd-io/sscd/codec"
)

// Frames as transcripts have them, in both directions:
//
//	OPEN 1 target=echo priority=5 window=100000
//	DATA 1 "text"          DATA 1 FIN *100 (100 bytes)     DATA 1 COMPRESSED *100 (so many before)
//	ERROR 1 6 "reason"     FLOW_CONTROL 1 1000             PRIORITY 1 "\x07"
//	PING 0 HELLO? features=9 conn-window=100000            PONG 0 HELLO! frame=8192
//	type200 0              raw 53530000                    ACK 1 times 4
//
// What stands in quotes is taken as it is, so parameters can be wrong.

var flagNames = []struct {
	flag codec.Flags
	name string
}{{codec.Compressed, "COMPRESSED"}, {codec.Fin, "FIN"}, {codec.HeaderCRC, "HEADER_CRC"}}

var featureNames = []struct {
	feature codec.Features
	name    string
}{{codec.FeatureFin, "FIN"}, {codec.FeatureHeaderCRC, "HEADER_CRC"}, {codec.FeatureZlib, "ZLIB"}, {codec.FeaturePriority, "PRIORITY"}}

var openNames = map[string]codec.ParamType{
	"priority": codec.ParamPriority, "window": codec.ParamWindow, "target": codec.ParamTarget, "metadata": codec.ParamMetadata,
}

var helloNames = map[string]codec.ParamType{
	"frame": codec.HelloFrame, "window": codec.HelloWindow, "conn-window": codec.HelloConnWindow,
	"features": codec.HelloFeatures, "channels": codec.HelloChannels, "credentials": codec.HelloCredentials,
	"software": codec.HelloSoftware,
}

// show is a frame that was sent in one line.
func show(f codec.Frame) string {
	s := fmt.Sprintf("%v %d", f.Type, f.Channel)
	for _, n := range flagNames {
		if f.Flags&n.flag != 0 {
			s += " " + n.name
		}
	}
	switch f.Type {
	case codec.FlowControl:
		return fmt.Sprintf("%s +%d", s, binary.BigEndian.Uint32(f.Payload))
	case codec.Priority:
		return fmt.Sprintf("%s %d", s, f.Payload[0])
	case codec.Error:
		s += " " + codec.Code(binary.BigEndian.Uint32(f.Payload)).String()
		if rest := f.Payload[4:]; len(rest) > 0 {
			s += fmt.Sprintf(" %q", rest)
		}
	case codec.Data:
		n := len(f.Payload)
		if f.Flags&codec.Compressed != 0 {
			plain, ok := unzipped(f.Payload, codec.LargestData)
			if !ok {
				panic("sent a bad zlib stream")
			}
			n = len(plain)
		}
		s += fmt.Sprintf(" (%d bytes)", n)
	default:
		if len(f.Payload) > 0 {
			s += " " + showPayload(f)
		}
	}
	return s
}

// showPayload is HELLO's parameters by their names, and other payloads quoted.
func showPayload(f codec.Frame) string {
	for _, prefix := range [][]byte{helloAsk, helloAnswer} {
		if !bytes.HasPrefix(f.Payload, prefix) {
			continue
		}
		h, err := ParseHello(f.Payload[len(prefix):])
		if err != nil {
			break
		}
		return fmt.Sprintf("HELLO%c%s", prefix[7], h.text())
	}
	return fmt.Sprintf("%q", f.Payload)
}

func (h Hello) text() (s string) {
	usual, _ := ParseHello(nil)
	for _, n := range []struct {
		name       string
		got, usual uint32
	}{
		{"frame", h.Frame, usual.Frame}, {"window", h.Window, usual.Window},
		{"conn-window", h.ConnWindow, usual.ConnWindow}, {"channels", h.Channels, usual.Channels},
	} {
		if n.got != n.usual {
			s += fmt.Sprintf(" %s=%d", n.name, n.got)
		}
	}
	var features []string
	for _, n := range featureNames {
		if h.Features&n.feature != 0 {
			features = append(features, n.name)
		}
	}
	if features != nil {
		s += " features=" + strings.Join(features, "|")
	}
	if h.Credentials != nil {
		s += fmt.Sprintf(" credentials=%s", h.Credentials)
	}
	if h.Software != nil {
		s += fmt.Sprintf(" software=%s", h.Software)
	}
	return s
}

// parse reads the bytes of a line.
func parse(t testing.TB, line string) (all []byte) {
	line, _, _ = strings.Cut(line, "#")
	times := 1
	if at := strings.Index(line, " times "); at >= 0 {
		times, _ = strconv.Atoi(strings.TrimSpace(line[at+7:]))
		line = line[:at]
	}
	name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	if name == "raw" {
		b, err := hex.DecodeString(strings.ReplaceAll(rest, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	h := codec.Header{Type: typeCalled(name)}
	channel, rest, _ := strings.Cut(rest, " ")
	id, err := strconv.ParseUint(channel, 10, 32)
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	h.Channel = uint32(id)
	h.Flags, rest = cutFlags(rest)
	payload, err := parsePayload(rest)
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	if h.Flags&codec.Compressed != 0 && !strings.HasPrefix(rest, `"`) {
		payload = zipped(t, 9, payload)
	}
	for range times {
		n := len(all)
		all = h.Append(all, payload)
		if h.Flags&codec.HeaderCRC != 0 {
			h.Length = uint32(len(payload))
			h.Put(all[n:], nil)
		}
	}
	return all
}

func typeCalled(name string) codec.Type {
	for t := codec.Open; t <= codec.Priority; t++ {
		if t.String() == name {
			return t
		}
	}
	n, _ := strconv.Atoi(strings.TrimPrefix(name, "type"))
	return codec.Type(n)
}

// cutFlags reads flags by their names, or as a number behind the word flags.
func cutFlags(s string) (all codec.Flags, rest string) {
	if s, ok := strings.CutPrefix(s, "flags "); ok {
		flags, rest, _ := strings.Cut(s, " ")
		n, _ := strconv.ParseUint(flags, 0, 8)
		return codec.Flags(n), rest
	}
	for _, n := range flagNames {
		if word, rest, _ := strings.Cut(s, " "); word == n.name {
			more, rest := cutFlags(rest)
			return n.flag | more, rest
		}
	}
	return 0, s
}

func parsePayload(rest string) (payload []byte, err error) {
	names := openNames
	for rest != "" {
		if strings.HasPrefix(rest, `"`) {
			q, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return nil, err
			}
			s, _ := strconv.Unquote(q)
			payload, rest = append(payload, s...), strings.TrimSpace(rest[len(q):])
			continue
		}
		var word string
		word, rest, _ = strings.Cut(rest, " ")
		key, value, _ := strings.Cut(word, "=")
		number, notNumber := strconv.ParseUint(value, 0, 32)
		switch param := names[key]; {
		case word == "HELLO?", word == "HELLO!":
			names = helloNames
			payload = append(payload, 0, 0, 0, 0, 'S', 'S', 'C', word[len(word)-1])
		case word[0] == '*':
			n, _ := strconv.Atoi(word[1:])
			payload = append(payload, make([]byte, n)...)
		case key == "priority":
			payload = codec.AppendParam(payload, param, []byte{byte(number)})
		case param != 0 && notNumber == nil:
			payload = codec.AppendParam(payload, param, binary.BigEndian.AppendUint32(nil, uint32(number)))
		case param != 0:
			payload = codec.AppendParam(payload, param, []byte(value))
		default:
			n, err := strconv.ParseUint(word, 0, 32)
			if err != nil {
				return nil, err
			}
			payload = binary.BigEndian.AppendUint32(payload, uint32(n))
		}
	}
	return payload, nil
}
