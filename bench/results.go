package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strings"
	"time"
)

// ResultsFormat is what a file of Results begins with; the number goes up when older programs would misread it.
const ResultsFormat = "sscd-bench/1"

// maxResultsBytes is the longest file of Results that is read: a thousand rounds of a thousand rows have less.
const maxResultsBytes = 64 << 20

// Results are what measurements found, and where: what sscd-bench --json, sscd-bench suite and bench/peers write,
// and sscd-bench report and compare read.
type Results struct {
	Format  string    `json:"format"`
	Machine Machine   `json:"machine"`
	When    time.Time `json:"when"`
	Command string    `json:"command"` // that made them
	Rows    []Row     `json:"rows"`
	Notes   []string  `json:"notes,omitempty"`  // what was not measured, and why
	Detail  any       `json:"detail,omitempty"` // what else was found, for people
}

// Row is one thing measured, some times. Rows are told apart by all but Rounds.
type Row struct {
	Workload string `json:"workload"`          // as Mode, or a peer measurement's own name
	Peer     string `json:"peer"`              // what was measured: OurPeer, "yamux"
	Variant  string `json:"variant,omitempty"` // what else tells it apart: a backend, a load, a way

	Conns    int `json:"conns,omitempty"`
	Channels int `json:"channels,omitempty"` // or streams, on each connection
	Depth    int `json:"depth,omitempty"`    // messages under way on a channel; opens on a connection
	Size     int `json:"size,omitempty"`     // of a message, in bytes

	Rounds []Figures `json:"rounds"`
}

// OurPeer is the Peer of this engine's rows.
const OurPeer = "sscd"

// Figures are what a round found, by name; Kinds tells what names mean.
type Figures map[string]float64

// NewResults returns Results without rows, of this machine and this moment, which should be that before the
// measurement: the machine's load is among its facts.
func NewResults(command []string) *Results {
	return &Results{
		Format: ResultsFormat, Machine: ThisMachine(), When: time.Now().UTC().Truncate(time.Second),
		Command: strings.Join(command, " "),
	}
}

// Shape is the row's connections, channels on each and messages under way on each of these, as far as they are known
// and matter to the workload.
func (r *Row) Shape() string {
	counts := []int{r.Conns, r.Channels, r.Depth}
	switch Mode(r.Workload) {
	case Open:
		return fmt.Sprintf("%s x %s under way", Thousands(r.Conns), Thousands(r.Depth))
	case Upload, Download, Idle, Urgent, Fair, File, Fanout, Stall, RTT, Flood:
		counts = counts[:2]
	}
	var parts []string
	for _, n := range counts {
		if n == 0 {
			break
		}
		parts = append(parts, Thousands(n))
	}
	return strings.Join(parts, " x ")
}

// Key tells the row apart from others.
func (r *Row) Key() string {
	return fmt.Sprintf("%s/%s/%s/%dx%dx%d/%d", r.Workload, r.Peer, r.Variant, r.Conns, r.Channels, r.Depth, r.Size)
}

// All returns the figures of that name of all rounds that have it.
func (r *Row) All(name string) (all []float64) {
	for _, f := range r.Rounds {
		if v, ok := f[name]; ok {
			all = append(all, v)
		}
	}
	return all
}

// Spread returns the spread of a figure, and whether any round has it.
func (r *Row) Spread(name string) (Spread, bool) {
	all := r.All(name)
	if len(all) == 0 {
		return Spread{}, false
	}
	return SpreadOf(all), true
}

// Names returns the names of the figures that any round has: those of Kinds first, in their order.
func (r *Row) Names() []string { return figureNames(r.Rounds) }

// Join adds rows, rounds of what was measured before to those of before.
func (r *Results) Join(rows ...Row) {
	at := make(map[string]int)
	for i := range r.Rows {
		at[r.Rows[i].Key()] = i
	}
	for _, row := range rows {
		i, ok := at[row.Key()]
		if !ok {
			at[row.Key()] = len(r.Rows)
			r.Rows = append(r.Rows, row)
			continue
		}
		r.Rows[i].Rounds = append(r.Rows[i].Rounds, row.Rounds...)
	}
}

// WriteJSON writes the results. Figures that are no numbers are left out: JSON has no name for them.
func (r *Results) WriteJSON(w io.Writer) error {
	for i := range r.Rows {
		for _, f := range r.Rows[i].Rounds {
			for name, v := range f {
				if !finite(v) {
					delete(f, name)
				}
			}
		}
	}
	return writeJSON(w, r)
}

// Writable returns why results can't be written to a file, so that this is known before they are measured. There may
// be no file: an empty name, or "-". One that is there stays as it is.
func Writable(path string) error {
	if path == "" || path == "-" {
		return nil
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil // somebody may wait at the other end of a pipe for the first who opens it
	}
	f, opening := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
	if opening != nil {
		return opening
	}
	closing := f.Close()
	if errors.Is(err, fs.ErrNotExist) {
		return errors.Join(closing, os.Remove(path))
	}
	return closing
}

// WriteFile writes the results to a file, which is whole or what it was before.
func (r *Results) WriteFile(path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0) // a device or a pipe is not replaced
		if err != nil {
			return err
		}
		return errors.Join(r.WriteJSON(f), f.Close())
	}
	f, err := os.Create(path + ".part")
	if err != nil {
		return err
	}
	if err := errors.Join(r.WriteJSON(f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), path)
}

// ReadResults reads a file that WriteFile wrote. Errors name the file and what is wrong with it.
func ReadResults(path string) (*Results, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := parseResults(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// parseResults reads and checks results.
func parseResults(in io.Reader) (*Results, error) {
	raw, err := io.ReadAll(io.LimitReader(in, maxResultsBytes+1))
	switch {
	case err != nil:
		return nil, err
	case len(raw) > maxResultsBytes:
		return nil, fmt.Errorf("it has more than %d MiB", maxResultsBytes>>20)
	case len(strings.TrimSpace(string(raw))) == 0:
		return nil, errors.New("it is empty")
	}
	var head struct{ Format any }
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, fmt.Errorf("it is no JSON object, or not a whole one: %w", err)
	}
	if head.Format == nil {
		return nil, errors.New("it has no format: it is no file of results")
	}
	if head.Format != ResultsFormat {
		return nil, fmt.Errorf("its format is %v, not %q: it is not of this sscd-bench", head.Format, ResultsFormat)
	}
	r := new(Results)
	if err := json.Unmarshal(raw, r); err != nil {
		return nil, err
	}
	return r, r.check()
}

// check returns what is wrong with results that were read.
func (r *Results) check() error {
	if len(r.Rows) == 0 {
		return errors.New("it has no rows")
	}
	seen := make(map[string]bool)
	for i := range r.Rows {
		row := &r.Rows[i]
		key := row.Key()
		switch {
		case row.Workload == "" || row.Peer == "":
			return fmt.Errorf("row %d has no workload or no peer", i)
		case row.Conns < 0 || row.Channels < 0 || row.Depth < 0 || row.Size < 0:
			return fmt.Errorf("row %d (%s) has less than no connections, channels, depth or size", i, key)
		case seen[key]:
			return fmt.Errorf("row %d (%s) is there twice", i, key)
		case len(row.Rounds) == 0:
			return fmt.Errorf("row %d (%s) has no rounds", i, key)
		}
		seen[key] = true
		for j, f := range row.Rounds {
			for name, v := range f {
				if name == "" || !finite(v) {
					return fmt.Errorf("row %d (%s), round %d: %q is %v", i, key, j, name, v)
				}
			}
		}
	}
	return nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
