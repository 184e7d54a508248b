package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress is a bar of what has come, on a terminal only. It is a Writer that counts.
type progress struct {
	bar *progressbar.ProgressBar // nil shows nothing
}

// newProgress returns a bar for so many bytes that are to come.
func newProgress(w io.Writer, bytes int64) progress {
	f, ok := w.(*os.File)
	if !ok {
		return progress{}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return progress{}
	}
	return progress{progressbar.NewOptions64(bytes,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetWidth(30),
		progressbar.OptionShowBytes(true),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(100*time.Millisecond),
	)}
}

func (p progress) Write(b []byte) (int, error) {
	if p.bar != nil {
		p.bar.Add(len(b))
	}
	return len(b), nil
}

// end removes the bar, so that what is said next begins its line.
func (p progress) end() {
	if p.bar != nil {
		p.bar.Clear()
	}
}
