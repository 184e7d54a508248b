package bench

import (
	"slices"
	"testing"

	"github.com/sscd-io/sscd/engine"
)

func TestStalls(t *testing.T) {
	o := Defaults(Stall)
	o.Channels = 5
	r, err := compare(t, o, ServerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	rows := r.(*StallResult).Rows
	if len(rows) != 2 || rows[0].Backend != engine.Epoll || rows[1].Backend != engine.Net {
		t.Fatalf("rows: %+v", rows)
	}
	for _, row := range rows {
		// On a busy machine a round may be over before anything came; not all are.
		if len(row.Pairs) != defaultRounds || row.Read.High <= 0 || row.Unread.High <= 0 || row.Ratio.High <= 0 {
			t.Errorf("%+v", row)
		}
		if row.Kept <= 0 {
			t.Errorf("%s: %d bytes were not read", row.Backend, row.Kept)
		}
	}
	wantTable(t, r, "of 4,", "epoll", "net", "ratio")
}

func TestStallOfOneBackend(t *testing.T) {
	o := Defaults(Stall)
	o.Channels = 2
	r, err := compare(t, o, ServerConfig{Backend: engine.Net})
	if err != nil {
		t.Fatal(err)
	}
	if rows := r.(*StallResult).Rows; len(rows) != 1 || rows[0].Backend != engine.Net {
		t.Errorf("rows: %+v", rows)
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		of   []float64
		want string
	}{
		{[]float64{3}, "3.0 (3.0 to 3.0)"},
		{[]float64{4, 1}, "2.5 (1.0 to 4.0)"},
		{[]float64{5, 1, 2}, "2.0 (1.0 to 5.0)"},
	} {
		before := slices.Clone(c.of)
		if got := SpreadOf(c.of).Text(1); got != c.want || !slices.Equal(c.of, before) {
			t.Errorf("spread of %v: %s, want %s", before, got, c.want)
		}
	}
}
