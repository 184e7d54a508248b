package bench

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sscd-io/sscd/engine"
)

func TestFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	o := Defaults(File)
	o.FileBytes = 300_000
	r, err := compare(t, o, ServerConfig{Backend: engine.Epoll})
	if err != nil {
		t.Fatal(err)
	}
	rows, note := r.(*FileResult).Rows, r.(*FileResult).Note
	if note == "" && len(rows) != 4 || len(rows) < 3 {
		t.Fatalf("rows: %+v, note: %q", rows, note)
	}
	for i, row := range rows {
		// On a busy machine a round may be over before anything came; not all are.
		whole := len(row.Rounds) == defaultRounds || row.Way == FromDisk && note != ""
		if row.Way != FileWays[i] || !whole || row.MBps.High <= 0 || row.PerGB.High <= 0 {
			t.Errorf("%+v", row)
		}
		for _, one := range row.Rounds {
			if one.Frame > fileFrame || one.MBps > 0 && (one.Frame > 0) == (row.Way == ByBareLoop) {
				t.Errorf("%s: frames of %v bytes", row.Way, one.Frame)
			}
		}
	}
	if ratios := r.(*FileResult).Ratios; len(ratios) != 2 || ratios[0].PerCPU.High <= 0 || ratios[1].PerSec.High <= 0 {
		t.Errorf("ratios: %+v", ratios)
	}
	wantTable(t, r, "of a file of 300000 bytes", "read and write", "bare loop", "reads ahead", "per server CPU second")
	if left, err := os.ReadDir(dir); len(left) > 0 || err != nil {
		t.Errorf("left behind: %v, error %v", left, err)
	}
}

func TestFileNeedsEpoll(t *testing.T) {
	if _, err := compare(t, Defaults(File), ServerConfig{Backend: engine.Net}); err == nil {
		t.Error("no error")
	}
}

// A file that is in memory by nature is not measured cold, and the table says so.
func TestFileThatIsNeverCold(t *testing.T) {
	r := &FileResult{Options: Defaults(File), Note: "not measured: cold", Rows: make([]FileRow, 4)}
	for i := range 3 {
		r.Rows[i] = FileRow{Way: FileWays[i], Rounds: []FileRound{{MBps: float64(i + 1), PerGB: 1}}}
	}
	if r.summarize(); len(r.Rows) != 3 || len(r.Ratios) != 2 || r.Ratios[0].PerSec.Median != 0.5 {
		t.Errorf("%+v", r)
	}
	wantTable(t, r, "not measured: cold")
}

func TestMakeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, size := range []int64{1, 1 << 20, 1<<20 + 1} {
		if err := MakeFile(path, size); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() != size {
			t.Errorf("%d bytes: %v, error %v", size, info, err)
		}
	}
}
