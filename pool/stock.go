package pool

// stockClasses is for how many of the smallest classes there are stocks: up to 512 B.
const stockClasses = 4

// stockSize is how many buffers of a class a Stock keeps; the rest go back to the Pool.
const stockSize = 1024

// Stock is a store of small buffers in front of a Pool, for who gets and gives back many in a row:
// without a step between processors it is several times as fast. It is not safe for concurrent use.
type Stock struct {
	pool *Pool
	free [stockClasses][]*Buf
}

// NewStock returns an empty stock of p.
func NewStock(p *Pool) Stock { return Stock{pool: p} }

// Copy is Pool.Copy.
func (s *Stock) Copy(p []byte) *Buf {
	class := classOf(len(p))
	if class >= stockClasses || len(s.free[class]) == 0 {
		return s.pool.Copy(p)
	}
	free := s.free[class]
	b := free[len(free)-1]
	s.free[class] = free[:len(free)-1]
	b.B = b.array[:copy(b.array, p)]
	b.refs = 1
	return b
}

// Release is Buf.Release.
func (s *Stock) Release(b *Buf) {
	if Poison || b.class < 0 || b.class >= stockClasses || len(s.free[b.class]) == stockSize || b.pool != s.pool {
		b.Release()
		return
	}
	if b.last() {
		s.free[b.class] = append(s.free[b.class], b)
	}
}
