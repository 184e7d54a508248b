package bench

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Thousands writes a number with a comma at each three digits.
func Thousands(n int) string { return withCommas(strconv.Itoa(n)) }

// withCommas puts commas into the digits before the point.
func withCommas(s string) string {
	whole, part, _ := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if part != "" {
		return whole + "." + part
	}
	return whole
}

// Digits writes a figure for people, with three digits that count; those before the point are all there up to
// millions, which are written as such.
func Digits(v float64) string {
	rounded := fmt.Sprintf("%.3g", v)
	v, err := strconv.ParseFloat(rounded, 64)
	a := math.Abs(v)
	switch {
	case err != nil || !finite(v) || a >= 1e15 || a > 0 && a < 1e-4:
		return rounded
	case a >= 1e6:
		return Digits(v/1e6) + " M"
	case a >= 100:
		return withCommas(fmt.Sprintf("%.0f", v))
	case a == 0:
		return "0"
	}
	return fmt.Sprintf("%.*f", max(0, 2-int(math.Floor(math.Log10(a)))), v)
}

// Digits is the spread as Digits writes it; one figure alone has none.
func (s Spread) Digits() string {
	if s.Low == s.High {
		return Digits(s.Median)
	}
	return fmt.Sprintf("%s (%s to %s)", Digits(s.Median), Digits(s.Low), Digits(s.High))
}
