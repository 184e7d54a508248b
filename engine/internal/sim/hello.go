package sim

import "compress/zlib"

// What a hostile peer does with the extended profile.

// params are the parameters of HELLO that are being made.
type params []byte

func (b *params) add(t byte, v ...byte) {
	*b = append(append(*b, t, byte(len(v)>>8), byte(len(v))), v...)
}

// hello sends HELLO, or the answer to it: most often a right one, with any features.
func (p *hostile) hello(w *World) {
	typ, b := byte(6), params(helloAsk)
	if p.at == Server {
		typ, b = 7, params(helloAnswer)
	}
	b.add(4, number(w.random(32))...)
	if w.random(2) == 0 {
		b.add(1, number(4096<<w.random(9))...)
	}
	if w.random(2) == 0 {
		b.add(2, number([...]uint32{0, 1, 1000, 65535, 1 << 20, maxWindow}[w.random(6)])...)
	}
	if w.random(4) > 0 {
		conn := [...]uint32{0, 65536, 65537, 1 << 18, maxWindow}[w.random(5)]
		p.limited = conn != 0
		b.add(3, number(conn)...)
	}
	if w.random(4) == 0 {
		b.add(5, number(w.random(70))...)
	}
	if w.random(4) == 0 {
		b.add(byte(200+w.random(50)), w.zeros[:w.random(100)]...) // nobody knows what it is
	}
	p.extended = true
	if w.random(12) == 0 {
		p.spoil(w, &b)
	}
	p.put(w, typ, 0, 0, b)
}

// spoil makes a fault in HELLO, or lets the peer be a base one.
func (p *hostile) spoil(w *World, b *params) {
	p.extended, p.limited = false, false
	switch w.random(9) {
	case 0:
		*b = (*b)[:len(*b)-1]
	case 1:
		b.add(4, number(1)...)
	case 2:
		b.add(3, number(65535)...)
	case 3:
		b.add(1, 1, 0, 0)
	case 4:
		b.add(1, number(4095)...)
	case 5:
		b.add(6, w.zeros[:1025]...)
	case 6:
		b.add(7, 0xff)
	case 7:
		b.add(7, w.zeros[:65]...)
	case 8: // what only the other side says
		(*b)[7] ^= '?' ^ '!'
	}
}

// dress makes of a DATA frame's payload one with flags.
func (p *hostile) dress(w *World, odd uint32, b []byte) (byte, []byte) {
	switch r := w.random(16); {
	case r == 0:
		return flagFin, b
	case r == 1:
		return flagHeaderCRC, b
	case r == 2:
		return flagFin, nil
	case r == 3 && odd <= 16:
		return flagZip | flagHeaderCRC, p.zip(w, odd, b)
	case r < 7 && (w.setup.Zip > 0 || odd <= 4):
		if w.random(2) == 0 {
			b = w.zeros[:min(len(b), len(w.zeros))]
		}
		return flagZip | byte(w.random(5))/4*flagFin, p.zip(w, odd, b)
	}
	return 0, b
}

// zip compresses b, rightly or not.
func (p *hostile) zip(w *World, odd uint32, b []byte) []byte {
	how := w.random(12)
	if odd > 16 && w.random(6) != 0 {
		how = 11
	}
	p.packed.Reset()
	z := p.zlib
	if how == 0 {
		z, _ = zlib.NewWriterLevelDict(&p.packed, zlib.BestSpeed, []byte("a dictionary"))
	} else if z == nil {
		z = zlib.NewWriter(&p.packed)
		p.zlib = z
	} else {
		z.Reset(&p.packed)
	}
	z.Write(b)
	if how == 1 { // a bomb
		for range 1 << (w.random(8)) {
			z.Write(w.zeros[:])
		}
	}
	z.Close()
	b = p.packed.Bytes()
	switch how {
	case 2:
		return b[:w.random(uint32(len(b)))]
	case 3:
		return append(b, 0)
	case 4:
		b[len(b)-1] ^= 1
	case 5:
		b[w.random(uint32(len(b)))] ^= 0x10
	}
	return b
}

// priority is the payload of PRIORITY.
func (p *hostile) priority(odd, amount uint32) []byte {
	switch {
	case odd == 6:
		return []byte{byte(amount)}
	case odd == 7:
		return make([]byte, amount%3)
	}
	return []byte{byte(amount & 7)}
}

// floodExtended sends one of a flood of frames that a base peer takes only for FLOW_CONTROL.
func (p *hostile) floodExtended(w *World, kind, live uint32) {
	switch {
	case kind == 13 || !p.extended:
		p.put(w, 8, 0, live, number(1024))
	case kind == 14 && p.limited:
		p.put(w, 8, 0, 0, number(1+w.random(2)))
	case kind == 14:
		p.put(w, 9, 0, live, []byte{byte(w.random(8))})
	case w.setup.Zip > 0:
		p.put(w, 3, flagZip, live, p.zip(w, 255, nil))
	default:
		p.put(w, 3, flagHeaderCRC, live, []byte{1})
	}
}
