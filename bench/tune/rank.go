package tune

import "github.com/sscd-io/sscd/bench"

// better is the probability that chance alone makes b look so much better than a, or more: the one-sided test of Mann
// and Whitney, exact. It looks at ranks only, so that one round gone wrong counts no more than another.
func (g Goal) better(a, b []float64) float64 {
	var twice int // the number of pairs in which b is better, twice; equals count once
	for _, x := range a {
		for _, y := range b {
			switch gain := g.gain(x, y); {
			case gain > 0:
				twice += 2
			case gain == 0:
				twice++
			}
		}
	}
	return tail(len(a), len(b), twice/2)
}

// tail is how many of the orders of n and m figures have the second sort in front in u pairs or more.
func tail(n, m, u int) float64 {
	// ways[i][j][k]: orders of i and j with k such pairs. The last in order is of the first sort, or of the second,
	// which is then in front of all i.
	ways := make([][][]float64, n+1)
	for i := range ways {
		ways[i] = make([][]float64, m+1)
		for j := range ways[i] {
			ways[i][j] = make([]float64, n*m+1)
			for k := range ways[i][j] {
				switch {
				case i == 0 || j == 0:
					if k == 0 {
						ways[i][j][k] = 1
					}
				default:
					ways[i][j][k] = ways[i-1][j][k]
					if k >= i {
						ways[i][j][k] += ways[i][j-1][k-i]
					}
				}
			}
		}
	}
	var all, far float64
	for k, w := range ways[n][m] {
		all += w
		if k >= u {
			far += w
		}
	}
	return far / all
}

// spreadOr is a spread of figures, if there are any.
func spreadOr(figures []float64) bench.Spread {
	if len(figures) == 0 {
		return bench.Spread{}
	}
	return bench.SpreadOf(figures)
}
