package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/bench/suite"
)

// steps is how finely a bar is divided.
const steps = 1000

// newBar returns a bar in one line, which is gone when it is finished.
func newBar(w io.Writer) *progressbar.ProgressBar {
	return progressbar.NewOptions(steps,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetWidth(30),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(100*time.Millisecond),
	)
}

// suiteLine is progressLine for the suite.
func suiteLine(w io.Writer) (suite.Progress, func()) {
	bar := newBar(w)
	progress := func(stage string, part float64, left time.Duration) {
		bar.Describe(fmt.Sprintf("%s, %v left", stage, left.Round(time.Second)))
		bar.Set(int(min(part, 0.999) * steps))
	}
	return progress, func() { bar.Finish() }
}

// progressLine returns a Progress that keeps one line up to date, and what removes the line.
func progressLine(w io.Writer) (bench.Progress, func()) {
	bar := newBar(w)
	var last time.Time
	var before int64
	progress := func(stage string, part float64, count int64) {
		now := time.Now()
		rate := ""
		if d := now.Sub(last).Seconds(); count >= before && d > 0 && d < 2 {
			rate = fmt.Sprintf(" %.0f/s", float64(count-before)/d)
		}
		last, before = now, count
		bar.Describe(stage + rate)
		bar.Set(int(min(part, 0.999) * steps))
	}
	return progress, func() { bar.Finish() }
}
