package disk

import "sync"

const (
	// maxReaders is how many goroutines wait for disks at once.
	maxReaders = 8

	// readBytes is how much one of them reads at a time, in bytes.
	readBytes = 64 << 10
)

// Readers are the goroutines of an engine that read ahead. There are none while there is nothing to read. The zero
// value is ready.
type Readers struct {
	mu      sync.Mutex
	jobs    []job // at most one for each channel
	running int
}

// job is a part of a file to be brought into memory.
type job struct {
	f    *File
	off  int64
	n    int
	done func()
}

// add has a job done.
func (r *Readers) add(j job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.jobs = append(r.jobs, j)
	if r.running < maxReaders {
		r.running++
		go r.run()
	}
}

// run does jobs until there are none.
func (r *Readers) run() {
	buf := make([]byte, readBytes)
	for j, ok := r.next(); ok; j, ok = r.next() {
		for from, end := j.off, j.off+int64(j.n); from < end; {
			n, err := j.f.f.ReadAt(buf[:min(end-from, readBytes)], from)
			if from += int64(n); err != nil {
				break // who sends it meets the same
			}
		}
		j.done()
	}
}

// next takes a job, or ends the goroutine that asks.
func (r *Readers) next() (job, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.jobs) == 0 {
		r.jobs = nil
		r.running--
		return job{}, false
	}
	j := r.jobs[0]
	r.jobs[0] = job{}
	r.jobs = r.jobs[1:]
	return j, true
}
