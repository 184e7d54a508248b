package bench

import (
	"slices"
	"testing"
)

func TestFair(t *testing.T) {
	r, err := compare(t, Defaults(Fair), ServerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	rows := r.(*FairResult).Rows
	if len(rows) != 3 {
		t.Fatalf("rows: %+v", rows)
	}
	for i, n := range []int{2, 256, 8} {
		// On a busy machine the time may be over before anything came.
		if row := rows[i]; len(row.Shares) != n || slices.Min(row.Shares) < 0 || row.High < row.Low {
			t.Errorf("%+v", row)
		}
	}
	wantTable(t, r, "strict priorities: false", "256", "0 to 7")
}
