package file_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/file"
)

// patience is how long a test waits for what must come. It decides nothing but when to give up.
const patience = 20 * time.Second

// world is an engine that serves the files under dir.
type world struct {
	t    *testing.T
	dir  string
	addr string
}

// onBackends runs a test on each backend.
func onBackends(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	withFiles(t, 0, test)
}

// withFiles is onBackends with at most so many files at a time.
func withFiles(t *testing.T, maxFiles int, test func(t *testing.T, w *world)) {
	t.Helper()
	withConfig(t, engine.Config{Handler: &file.Handler{MaxFiles: maxFiles}}, test)
}

// withConfig is onBackends with engines of that configuration, whose handler gets the directory.
func withConfig(t *testing.T, cfg engine.Config, test func(t *testing.T, w *world)) {
	t.Helper()
	for _, b := range []engine.Backend{engine.Auto, engine.Net} {
		t.Run(fmt.Sprintf("backend %q", b), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "root")
			if err := os.Mkdir(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			cfg := cfg
			cfg.Handler = &file.Handler{Root: root, MaxFiles: cfg.Handler.(*file.Handler).MaxFiles}
			cfg.Backend, cfg.Logger = b, slog.New(slog.DiscardHandler)
			e, err := engine.Start(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			addr, err := e.Listen("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			test(t, &world{t: t, dir: dir, addr: addr.String()})
		})
	}
}

// put makes a file of n bytes and returns them.
func (w *world) put(name string, n int) []byte {
	w.t.Helper()
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	if err := os.MkdirAll(filepath.Dir(filepath.Join(w.dir, name)), 0o777); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, name), b, 0o666); err != nil {
		w.t.Fatal(err)
	}
	return b
}

// header is what a file's answer begins with.
func (w *world) header(name string) file.Header {
	w.t.Helper()
	info, err := os.Stat(filepath.Join(w.dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return file.Header{Size: info.Size(), Modified: info.ModTime().UnixNano()}
}

// dial returns a client.
func (w *world) dial(cfg engine.Config) *engine.Session {
	w.t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	client, err := engine.Dial(w.within(), w.addr, cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { client.Close() })
	return client
}

func (w *world) within() context.Context {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	w.t.Cleanup(cancel)
	return ctx
}

// open opens a channel for a file.
func (w *world) open(client *engine.Session, o engine.OpenOptions) *engine.Stream {
	w.t.Helper()
	st, err := client.Open(w.within(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	st.SetDeadline(time.Now().Add(patience))
	return st
}

// wantAnswer reads a channel to its end.
func (w *world) wantAnswer(st *engine.Stream, header file.Header, want []byte) {
	w.t.Helper()
	h, err := file.ReadHeader(st)
	if err != nil || h != header {
		w.t.Fatalf("the header is %+v, %v, want %+v", h, err, header)
	}
	if got, err := io.ReadAll(st); err != nil || !bytes.Equal(got, want) {
		w.t.Fatalf("%d bytes come, then %v; want %d", len(got), err, len(want))
	}
	st.Close()
}

// refusal asks for a file and returns the code with which it is not to be had; NoError if it is.
func (w *world) refusal(client *engine.Session, o engine.OpenOptions) engine.Code {
	w.t.Helper()
	st, err := client.Open(w.within(), o)
	if err == nil {
		st.SetDeadline(time.Now().Add(patience))
		_, err = file.ReadHeader(st)
		st.Close()
	}
	var end *engine.ChannelError
	switch {
	case err == nil:
		return engine.NoError
	case !errors.As(err, &end) || !end.Remote:
		w.t.Fatal(err)
	}
	return end.Code
}

// wantRefusal asks for a file that is not to be had.
func (w *world) wantRefusal(client *engine.Session, o engine.OpenOptions, want engine.Code) {
	w.t.Helper()
	if got := w.refusal(client, o); got != want {
		w.t.Errorf("%.80q, %x: %v, want %v", o.Target, o.Metadata, got, want)
	}
}

// eventually asks until the answer is what is wanted; until then there are too many files under way.
func (w *world) eventually(client *engine.Session, o engine.OpenOptions, want engine.Code) {
	w.t.Helper()
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		got := w.refusal(client, o)
		if got == want {
			return
		}
		if got != engine.Refused && got != file.TooMany || time.Since(start) > patience {
			w.t.Fatalf("%q: %v, want %v", o.Target, got, want)
		}
	}
}

// A file comes as it is, whatever its size, to peers with half close and to those without.
func TestWholeFiles(t *testing.T) {
	onBackends(t, func(t *testing.T, w *world) {
		extended, base := w.dial(engine.Config{}), w.dial(engine.Config{Profile: engine.BaseOnly})
		for _, size := range []int{0, 1, 16 << 10, 16<<10 + 1, 1 << 20, 5<<20 + 3} {
			name := fmt.Sprintf("a/%d bytes", size)
			want := w.put(name, size)
			for _, client := range []*engine.Session{extended, base} {
				w.wantAnswer(w.open(client, file.Request(name, file.Range{})), w.header(name), want)
				w.wantAnswer(w.open(client, file.Request("/"+name, file.Range{})), w.header(name), want)
			}
		}
	})
}

// A client that has ended its own direction gets the file all the same, and one that talks is not heard.
func TestClientsMaySayAnything(t *testing.T) {
	onBackends(t, func(t *testing.T, w *world) {
		want := w.put("f", 3<<20)
		client := w.dial(engine.Config{})
		st := w.open(client, file.Request("f", file.Range{}))
		if _, err := st.Write(make([]byte, 200_000)); err != nil {
			t.Fatal(err)
		}
		if err := st.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		w.wantAnswer(st, w.header("f"), want)
	})
}

func TestRanges(t *testing.T) {
	const size = 100_000
	onBackends(t, func(t *testing.T, w *world) {
		want := w.put("f", size)
		client := w.dial(engine.Config{})
		for _, r := range []file.Range{
			{From: 1}, {From: size / 2}, {From: size - 1}, {From: size},
			{Length: 1}, {Length: size}, {From: 10, Length: 20_000}, {From: size - 1, Length: 1},
		} {
			n, ok := r.Of(size)
			if !ok {
				t.Fatalf("%+v lies beyond the end", r)
			}
			w.wantAnswer(w.open(client, file.Request("f", r)), w.header("f"), want[r.From:r.From+n])
		}
		for _, r := range []file.Range{
			{From: size + 1}, {Length: size + 1}, {From: size, Length: 1}, {From: 1, Length: size},
			{From: -1}, {Length: -1}, {From: 1<<63 - 1, Length: 1<<63 - 1},
		} {
			w.wantRefusal(client, file.Request("f", r), file.BadRange)
		}
		for _, n := range []int{1, 8, 15, 17, 32} {
			w.wantRefusal(client, engine.OpenOptions{Target: "file:f", Metadata: make([]byte, n)}, file.BadRange)
		}
	})
}

func TestOtherTargets(t *testing.T) {
	onBackends(t, func(t *testing.T, w *world) {
		client := w.dial(engine.Config{})
		w.put("f", 1)
		for _, target := range []string{"", "f", "File:f", "echo"} {
			w.wantRefusal(client, engine.OpenOptions{Target: target}, engine.Refused)
		}
	})
}

// There are no more files open than the handler may have, and each ended transfer makes room for another.
func TestMaxFiles(t *testing.T) {
	withFiles(t, 2, func(t *testing.T, w *world) {
		want := w.put("f", 10<<20)
		client, other, third := w.dial(engine.Config{}), w.dial(engine.Config{}), w.dial(engine.Config{})
		for range 10 {
			w.eventually(client, file.Request("no", file.Range{}), file.NotFound)
			w.eventually(other, file.Request("f", file.Range{From: 20 << 20}), file.BadRange)
		}
		w.eventually(client, file.Request("f", file.Range{}), engine.NoError)
		w.eventually(client, file.Request("f", file.Range{}), engine.NoError)
		// Two that nobody reads fill it.
		one, two := w.begin(client, "f"), w.begin(other, "f")
		w.wantRefusal(third, file.Request("f", file.Range{}), engine.Refused)
		w.wantRefusal(third, file.Request("no", file.Range{}), engine.Refused)
		if got, err := io.ReadAll(one); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes come, then %v", len(got), err)
		}
		one.Close()
		w.eventually(third, file.Request("no", file.Range{}), file.NotFound)
		two.Reset(engine.Cancelled)
		w.eventually(other, file.Request("f", file.Range{}), engine.NoError)
	})
}

// A client that asks for all there are gets half, and one that comes then gets half of the rest; each gets more again
// when one of its own, or of the others, has ended.
func TestNobodyTakesAllFiles(t *testing.T) {
	withFiles(t, 8, func(t *testing.T, w *world) {
		want := w.put("f", 10<<20)
		greedy, other := w.dial(engine.Config{}), w.dial(engine.Config{})
		whole := file.Request("f", file.Range{})
		var streams []*engine.Stream
		for range 4 {
			streams = append(streams, w.begin(greedy, "f"))
		}
		for range 10 {
			w.wantRefusal(greedy, whole, file.TooMany)
		}
		st := w.begin(other, "f")
		w.begin(other, "f")
		w.wantRefusal(other, whole, file.TooMany)
		if got, err := io.ReadAll(st); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes come, then %v", len(got), err)
		}
		st.Close()
		w.begin(other, "f") // when the one before is gone

		streams[0].Close()
		streams[1].Close()
		w.begin(other, "f") // a third, since more are free
		w.begin(greedy, "f")
		w.wantRefusal(greedy, whole, file.TooMany)
	})
}

// A transfer whose range has left holds nothing, though its client never ends it. When it does, that is no second share.
func TestFinishedTransfersHoldNothing(t *testing.T) {
	withFiles(t, 4, func(t *testing.T, w *world) {
		w.put("large", 10<<20)
		small := map[string][]byte{"nothing": w.put("nothing", 0), "small": w.put("small", 5), "f": w.put("f", 1<<20)}
		client, other := w.dial(engine.Config{}), w.dial(engine.Config{})
		var finished []*engine.Stream
		for range 5 {
			for name, want := range small {
				st := w.begin(client, name)
				if got, err := io.ReadAll(st); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%d bytes come, then %v", len(got), err)
				}
				finished = append(finished, st)
			}
		}
		w.begin(client, "large")
		w.begin(client, "large")
		w.wantRefusal(client, file.Request("small", file.Range{}), file.TooMany)
		w.begin(other, "large")
		w.wantRefusal(other, file.Request("small", file.Range{}), file.TooMany)
		for _, st := range finished {
			st.Close()
			w.wantRefusal(client, file.Request("small", file.Range{}), file.TooMany)
			w.wantRefusal(other, file.Request("small", file.Range{}), file.TooMany)
		}
		for range 4 {
			w.eventually(w.dial(engine.Config{}), file.Request("small", file.Range{}), engine.NoError)
		}
	})
}

// Where the range has no room beside the header, it waits for that to leave. A client whose window has no room for the
// header makes sure of it.
func TestSmallQueues(t *testing.T) {
	for _, queue := range []int{1, 4096} {
		withConfig(t, engine.Config{Handler: &file.Handler{}, SendQueue: queue}, func(t *testing.T, w *world) {
			want := w.put("f", 20)
			for _, profile := range []engine.Profile{engine.Negotiate, engine.BaseOnly} {
				client := w.dial(engine.Config{Profile: profile})
				for _, window := range []int{0, file.HeaderBytes - 1} {
					o := file.Request("f", file.Range{})
					o.Window = window
					w.wantAnswer(w.open(client, o), w.header("f"), want)
				}
			}
		})
	}
}

// begin asks for a file until it begins to come.
func (w *world) begin(client *engine.Session, name string) *engine.Stream {
	w.t.Helper()
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		st, err := client.Open(w.within(), file.Request(name, file.Range{}))
		if err == nil {
			st.SetDeadline(time.Now().Add(patience))
			_, err = file.ReadHeader(st)
		}
		if err == nil {
			return st
		}
		if st != nil {
			st.Close()
		}
		if time.Since(start) > patience {
			w.t.Fatal(err)
		}
	}
}

// A file that becomes shorter is not taken for complete.
func TestShrinkingFile(t *testing.T) {
	onBackends(t, func(t *testing.T, w *world) {
		w.put("f", 10<<20)
		client := w.dial(engine.Config{})
		st := w.begin(client, "f")
		if err := os.Truncate(filepath.Join(w.dir, "f"), 5<<20); err != nil {
			t.Fatal(err)
		}
		_, err := io.ReadAll(st)
		var end *engine.ChannelError
		if !errors.As(err, &end) || end.Code != engine.Internal {
			t.Errorf("the channel ends with %v", err)
		}
		st.Close()
	})
}
