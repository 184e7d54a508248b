package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// parts is how fine progress is shown.
const parts = 1000

// progress is one line that is kept up to date.
type progress struct {
	bar *progressbar.ProgressBar // nil shows nothing
	o   *options
}

func newProgress(o *options, w io.Writer) *progress {
	p := &progress{o: o}
	if !o.quiet {
		p.bar = progressbar.NewOptions(parts,
			progressbar.OptionSetWriter(w),
			progressbar.OptionSetWidth(30),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionClearOnFinish(),
		)
	}
	return p
}

// show shows how far the fleet is after that time.
func (p *progress) show(took time.Duration, fl *fleet) {
	part := float64(took) / float64(max(p.o.duration, 1))
	if p.o.steps > 0 {
		part = float64(fl.steps.Load()) / float64(p.o.steps)
	}
	p.part(part, fmt.Sprintf("%d worlds, %.1f million operations", fl.worlds.Load(), float64(fl.steps.Load())/1e6))
}

// part shows a part of the whole.
func (p *progress) part(part float64, text string) {
	if p.bar != nil {
		p.bar.Describe(text)
		p.bar.Set(int(min(part, 0.999) * parts))
	}
}

// clear removes the line.
func (p *progress) clear() {
	if p.bar != nil {
		p.bar.Finish()
	}
}
