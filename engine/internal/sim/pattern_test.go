package sim

import "testing"

// A byte that is moved, changed, or another channel's is found where it is.
func TestPattern(t *testing.T) {
	k, other := pattern{key: newKey(1, 7, Client)}, pattern{key: newKey(1, 7, Server)}
	whole := make([]byte, 300)
	k.fill(whole, 0)
	for from := range 40 {
		for n := range 60 {
			p := make([]byte, n)
			k.fill(p, uint64(from))
			if string(p) != string(whole[from:from+n]) {
				t.Fatalf("%d bytes from %d on are not those of the whole", n, from)
			}
			if i := k.check(p, uint64(from)); i >= 0 {
				t.Fatalf("byte %d of %d from %d on is wrong", i, n, from)
			}
			if n < 8 {
				continue
			}
			if k.check(p, uint64(from+1)) < 0 || other.check(p, uint64(from)) < 0 {
				t.Fatalf("%d bytes from %d on are right elsewhere", n, from)
			}
			p[n/2] ^= 4
			if i := k.check(p, uint64(from)); i != n/2 {
				t.Fatalf("byte %d is wrong, and not %d", n/2, i)
			}
		}
	}
}
