package sim

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// Script is all that happens in a world.
type Script struct {
	Setup Setup
	Ops   []Op
}

// Setup is what a world is like. Numbers beyond what is sensible are cut to that.
type Setup struct {
	Seed        uint64 // of the bytes written
	Hostile     bool   // the peer is a script
	Core        int    // then, on which side the core is
	Window      int    // the start window
	FrameSize   int    // the longest DATA sent
	SendQueue   int    // bytes that may wait on a channel
	MaxChannels int    // of the peer's
	SendBuffer  int    // bytes that may be on the way to a side
	MaxWrite    int    // the longest write
	Live        int    // channels an application opens at most at a time
	ByHand      int    // of 256 channels, those accepted with manual credit
	Mail        bool   // what an application does reaches the core with a turn
	Resets      bool   // bytes that reach who has closed, or that it has not read by then, reset the transport
	Fair        bool   // watch who is served
	Extended    bool   // both sides speak the extended profile
	MaxWindow   int    // then, what windows grow to
	ConnWindow  int    // and the connection's at its start
	Memory      int    // bytes of a connection
	Strict      bool   // higher priorities come first, whatever becomes of the others
	Zip         int    // of 256 channels, those of which payloads are compressed
	MaxFrame    int    // the longest DATA taken
	Batch       int    // bytes that leave together; 0 means as many as usual
	MaxFile     int    // the longest range of a file
	Ranges      bool   // transports take those as they are
	Casts       bool   // some short writes are messages for many channels; with Mail only
}

const (
	// usualFrame is the FrameSize with which ranges leave in longer frames, of rangeFrames, since they need no memory.
	usualFrame  = 16384
	rangeFrames = 4
	rangePiece  = 60 << 10   // frames that are longer are so many of those
	rangeLeast  = 24<<10 + 1 // less is read
)

// fileFrame is the longest DATA that leaves as a range, to a peer that takes so many bytes.
func (s *Setup) fileFrame(takes int) int {
	size := min(s.FrameSize, takes)
	if s.FrameSize == usualFrame {
		size = min(rangeFrames*rangePiece, takes)
	}
	if size > rangePiece {
		size -= size % rangePiece
	}
	return size
}

// sane returns the setup with every number in its range.
func (s Setup) sane() Setup {
	clamp := func(n *int, lo, hi int) { *n = min(max(*n, lo), hi) }
	clamp(&s.Core, Client, Server)
	clamp(&s.Window, 1, 65536)
	clamp(&s.FrameSize, 1, 65536)
	clamp(&s.SendQueue, 1, 1<<22)
	clamp(&s.MaxChannels, 1, 65536)
	clamp(&s.SendBuffer, 1, 1<<22)
	clamp(&s.MaxWrite, 1, min(1<<20, 64*s.Window, 256*s.FrameSize))
	clamp(&s.Live, 1, 64)
	clamp(&s.ByHand, 0, 256)
	clamp(&s.MaxWindow, s.Window, 1<<24)
	clamp(&s.ConnWindow, 1<<16, 1<<20)
	clamp(&s.Zip, 0, 256)
	if s.Memory == 0 {
		s.Memory = 64 << 20
	}
	clamp(&s.Memory, 1, 64<<20)
	clamp(&s.MaxFrame, 1<<16, 1<<19)
	clamp(&s.Batch, 0, 65600)
	clamp(&s.MaxFile, 0, min(1<<20, 64*s.Window, 256*s.FrameSize))
	if s.Window < 65536 { // a small window moves slowly, and no more may wait than can leave
		clamp(&s.SendQueue, 1, 16*s.Window)
	}
	return s
}

// byHand returns whether the channel called id is accepted with manual credit.
func (s *Setup) byHand(id uint32) bool { return int(mix(s.Seed+uint64(id))&255) < s.ByHand }

// zipped returns whether both sides compress on the channel called id.
func (s *Setup) zipped(id uint32) bool {
	return s.Extended && int(mix(s.Seed^uint64(id)<<20)&255) < s.Zip
}

// fields are the setup's by name, in the order of its text form.
func (s *Setup) fields() []struct {
	name string
	at   any
} {
	return []struct {
		name string
		at   any
	}{
		{"seed", &s.Seed}, {"hostile", &s.Hostile}, {"core", &s.Core}, {"window", &s.Window},
		{"frame-size", &s.FrameSize}, {"send-queue", &s.SendQueue}, {"max-channels", &s.MaxChannels},
		{"send-buffer", &s.SendBuffer}, {"max-write", &s.MaxWrite}, {"live", &s.Live}, {"by-hand", &s.ByHand},
		{"mail", &s.Mail}, {"resets", &s.Resets}, {"fair", &s.Fair}, {"strict", &s.Strict},
		{"extended", &s.Extended},
		{"max-window", &s.MaxWindow}, {"conn-window", &s.ConnWindow}, {"memory", &s.Memory}, {"zip", &s.Zip},
		{"max-frame", &s.MaxFrame}, {"batch", &s.Batch}, {"max-file", &s.MaxFile}, {"ranges", &s.Ranges},
		{"casts", &s.Casts},
	}
}

// String is the script as text: its setup in a line, then a line for each operation. Parse reads it.
func (s *Script) String() string {
	var b strings.Builder
	b.WriteString("world")
	for _, f := range s.Setup.fields() {
		switch v := f.at.(type) {
		case *uint64:
			fmt.Fprintf(&b, " %s=%d", f.name, *v)
		case *int:
			fmt.Fprintf(&b, " %s=%d", f.name, *v)
		case *bool:
			if *v {
				fmt.Fprintf(&b, " %s=1", f.name)
			}
		}
	}
	b.WriteByte('\n')
	for i := range s.Ops {
		fmt.Fprintln(&b, &s.Ops[i])
	}
	return b.String()
}

// Parse reads what String wrote. Lines that are empty or begin with # say nothing.
func Parse(text string) (*Script, error) {
	s := new(Script)
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(lines.Text())
		var err error
		switch {
		case len(words) == 0 || words[0][0] == '#':
		case words[0] == "world":
			err = s.Setup.parse(words[1:])
		default:
			err = s.parse(words)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return s, lines.Err()
}

// parse reads the words of a setup.
func (s *Setup) parse(words []string) error {
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return err
		}
		found := false
		for _, f := range s.fields() {
			if found = f.name == name; !found {
				continue
			}
			switch v := f.at.(type) {
			case *uint64:
				*v = n
			case *int:
				*v = int(min(n, 1<<30))
			case *bool:
				*v = n != 0
			}
			break
		}
		if !found {
			return fmt.Errorf("there is no %s", name)
		}
	}
	return nil
}

// parse reads the words of an operation.
func (s *Script) parse(words []string) error {
	var op Op
	if len(words) != 4 {
		return fmt.Errorf("%d words instead of 4", len(words))
	}
	if words[0] == sideNames[Server] {
		op.Side = Server
	}
	for op.Kind = 0; op.Kind.String() != words[1]; op.Kind++ {
		if op.Kind == NumKinds {
			return fmt.Errorf("there is no %s", words[1])
		}
	}
	pick, err := strconv.ParseUint(words[2], 10, 16)
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(words[3], 10, 32)
	op.Pick, op.N = uint16(pick), uint32(n)
	s.Ops = append(s.Ops, op)
	return err
}

// opBytes is how many bytes of FromBytes are an operation.
const opBytes = 5

// FromBytes makes a script of any bytes: a seed for the setup, then operations.
func FromBytes(b []byte) *Script {
	var head [8]byte
	b = b[copy(head[:], b):]
	s := &Script{Setup: newSwarm(binary.LittleEndian.Uint64(head[:])).setup}
	for ; len(b) >= opBytes; b = b[opBytes:] {
		n := uint32(b[3]) | uint32(b[4])<<8
		if n >= 0x8000 { // large ones, coarsely
			n = n & 0x7fff << 12
		}
		kind := Kind(b[0]) % SendFile
		if s.Setup.MaxFile > 0 && b[0] >= 0xe0 {
			kind = SendFile + Kind(b[0])%(NumKinds-SendFile)
		}
		s.Ops = append(s.Ops, Op{kind, b[1] & 1, uint16(b[2]), n})
	}
	return s
}
