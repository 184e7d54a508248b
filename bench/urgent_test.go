package bench

import (
	"testing"

	"github.com/sscd-io/sscd/engine"
)

func TestUrgent(t *testing.T) {
	for _, b := range []engine.Backend{engine.Epoll, engine.Net} {
		t.Run(string(b), func(t *testing.T) {
			o := Defaults(Urgent)
			o.Channels = 3
			r, err := compare(t, o, ServerConfig{Backend: b})
			if err != nil {
				t.Fatal(err)
			}
			rows := r.(*UrgentResult).Rows
			if len(rows) != len(UrgentLoads) {
				t.Fatalf("%d rows", len(rows))
			}
			for i, row := range rows {
				// On a busy machine a round may be over before anything came; not all are.
				if row.Load != UrgentLoads[i] || len(row.Rounds) != defaultRounds || row.P50.High <= 0 ||
					row.P50.High > row.Max.High || row.Exchanges.High <= 0 {
					t.Errorf("%+v", row)
				}
				if loaded := row.Load != Alone; loaded != (row.Bulk.High > 0) || loaded != (row.ServerGB.High > 0) {
					t.Errorf("%s: %+v MB/s, %+v s per GB", row.Load, row.Bulk, row.ServerGB)
				}
			}
			wantTable(t, r, "beside 3 downloads", "alone", "beside equals", "beside bulk", "p99")
		})
	}
}

// Channels have the priorities that a load gives them; without one they have the default.
func TestUrgentPriorities(t *testing.T) {
	for load, want := range map[UrgentLoad][]uint8{
		BesideEqual: {engine.DefaultPriority, engine.DefaultPriority, engine.DefaultPriority},
		BesideBulk:  {urgentPriority, bulkPriority, bulkPriority},
	} {
		w := &urgent{base: base{&run{o: Options{Channels: 3}}}, load: load}
		for i, p := range want {
			o := w.open(i)
			got := uint8(engine.DefaultPriority)
			if o.Priority != nil {
				got = *o.Priority
			}
			if got != p || (o.Context != nil) != (i == 0) {
				t.Errorf("%s: channel %d: %+v, priority %d", load, i, o, got)
			}
		}
	}
}
