package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// rate is a flag for how much a line carries, in bytes a second.
type rate float64

// rates are the units, in bytes a second; longer ones first.
var rates = []struct {
	name  string
	bytes float64
}{
	{"Gbit", 1e9 / 8}, {"Mbit", 1e6 / 8}, {"kbit", 1e3 / 8}, {"bit", 1. / 8},
	{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1},
}

func (r *rate) String() string {
	for _, u := range rates[:4] {
		if v := float64(*r) / u.bytes; v >= 1 {
			return strconv.FormatFloat(v, 'g', 6, 64) + u.name
		}
	}
	return "0bit"
}

// Set implements flag.Value.
func (r *rate) Set(s string) error {
	s = strings.TrimSuffix(s, "/s")
	for _, u := range rates {
		if digits, ok := strings.CutSuffix(s, u.name); ok {
			v, err := strconv.ParseFloat(digits, 64)
			if err != nil || !(v > 0 && v*u.bytes <= 1e15) {
				return fmt.Errorf("%q is no rate", s)
			}
			*r = rate(v * u.bytes)
			return nil
		}
	}
	return errors.New("it needs a unit, as in 100Mbit, 1Gbit or 80MB")
}

// percent is a flag for a probability.
type percent float64

func (p *percent) String() string { return strconv.FormatFloat(100*float64(*p), 'g', 6, 64) + "%" }

// Set implements flag.Value.
func (p *percent) Set(s string) error {
	digits, hundred := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(digits, 64)
	if hundred {
		v /= 100
	}
	if err != nil || !(v >= 0 && v < 1) {
		return fmt.Errorf("%q is no part of packets: 0.1%%, or 0.001", s)
	}
	*p = percent(v)
	return nil
}
