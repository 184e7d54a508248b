package main_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/file"
)

// get starts sscd get.
func get(t *testing.T, args ...string) *process {
	t.Helper()
	return start(t, nil, sscd, append([]string{"get"}, args...)...)
}

// write writes a file.
func write(t *testing.T, b []byte, name ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(name...), b, 0o666); err != nil {
		t.Fatal(err)
	}
}

// wantFile wants a file with the given bytes.
func wantFile(t *testing.T, name string, want []byte) {
	t.Helper()
	if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes, %v; not the %d that it should have", filepath.Base(name), len(got), err, len(want))
	}
}

// wantOnly wants only the given files in a directory.
func wantOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, ", ") != strings.Join(names, ", ") {
		t.Errorf("there are %q, want %q", got, names)
	}
}

// headerOf is what the answer for a file begins with.
func headerOf(t *testing.T, name string) file.Header {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return file.Header{Size: info.Size(), Modified: info.ModTime().UnixNano()}
}

// begin is a server that the test plays: it sends the beginning of a file to sscd get, which has that in out.part
// when begin returns.
func begin(t *testing.T, h file.Header, beginning []byte, out string, flags ...string) (
	client *process, stream *engine.Stream,
) {
	t.Helper()
	l := listen(t, engine.Config{})
	client = get(t, append(flags, "-o", out, l.Addr().String(), "f")...)
	_, stream = accept(t, l)
	if _, err := stream.Write(append(h.Append(nil), beginning...)); err != nil {
		t.Fatal(err)
	}
	awaitSize(t, out+".part", len(beginning))
	return client, stream
}

// awaitSize waits until a file has n bytes.
func awaitSize(t *testing.T, name string, n int) {
	t.Helper()
	eventually(t, "the beginning of the file", func() bool {
		info, err := os.Stat(name)
		return err == nil && info.Size() == int64(n)
	})
}

func TestGetBringsFilesByteForByte(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend string) {
		root, dir := t.TempDir(), t.TempDir()
		big, small := noise(20<<20), noise(1000)
		write(t, big, root, "big")
		write(t, small, root, "small")
		write(t, nil, root, "empty")
		_, addr := serve(t, "--backend", backend, "--files", root)

		out := filepath.Join(dir, "out")
		for name, want := range map[string][]byte{"big": big, "small": small, "empty": nil} {
			client := get(t, addr, name, "-o", out) // which replaces what is there
			client.wantStatus(0)
			wantFile(t, out, want)
			wantOnly(t, dir, "out")
			if said := client.stderr.String() + client.stdout.String(); said != "" {
				t.Errorf("sscd get says %q", said)
			}
		}

		// Parts, and standard output.
		client := get(t, "--offset", "5000000", "--length", "3000000", "-o", "-", addr, "/big")
		client.wantStatus(0)
		if client.stdout.String() != string(big[5000000:8000000]) {
			t.Errorf("a part of %d bytes came, not the one that was wanted", client.stdout.len())
		}
		get(t, addr, "-o", out, "--offset", "20971519", "big").wantStatus(0)
		wantFile(t, out, big[len(big)-1:])
		wantOnly(t, dir, "out")

		// Without a name it is called as on the server.
		sh := start(t, nil, "sh", "-c", `cd "$1" && exec "$2" get "$3" /small`, "sh", dir, sscd, addr)
		sh.wantStatus(0)
		wantFile(t, filepath.Join(dir, "small"), small)

		// The other targets are there as ever.
		connect(t, bytes.NewReader(small), addr, "echo").wantEcho(small)
	})
}

// What was killed in the middle goes on where it was, with the bytes of then.
func TestGetResumes(t *testing.T) {
	t.Parallel()
	root, dir := t.TempDir(), t.TempDir()
	whole, out := noise(4<<20), filepath.Join(dir, "out")
	write(t, whole, root, "f")
	write(t, []byte("an older one"), out)
	half := bytes.Repeat([]byte("half"), len(whole)/8) // which tells it from what comes later
	client, _ := begin(t, headerOf(t, filepath.Join(root, "f")), half, out)
	client.signal(syscall.SIGKILL)
	client.wantStatus(-1)
	wantFile(t, out, []byte("an older one"))
	wantOnly(t, dir, "out", "out.part", "out.part.of")

	_, addr := serve(t, "--files", root)
	get(t, "--resume", addr, "f", "-o", out).wantStatus(0)
	wantFile(t, out, append(half, whole[len(half):]...))
	wantOnly(t, dir, "out")

	// If there is nothing to go on with, it begins.
	get(t, "-C", addr, "f", "-o", out).wantStatus(0)
	wantFile(t, out, whole)

	// One that lacks nothing but its name.
	write(t, whole, out+".part")
	write(t, headerOf(t, filepath.Join(root, "f")).Append(nil), out+".part.of")
	get(t, "-C", addr, "f", "-o", out).wantStatus(0)
	wantFile(t, out, whole)

	// Nobody knows what this is a part of,
	write(t, half, out+".part")
	get(t, "-C", addr, "f", "-o", out).wantStatus(0)
	wantFile(t, out, whole)

	// nor this, though it was of something before.
	write(t, headerOf(t, filepath.Join(root, "f")).Append(nil), out+".part.of")
	client, _ = begin(t, headerOf(t, filepath.Join(root, "f")), half[:1000], out, "--offset", "1000")
	client.signal(syscall.SIGKILL)
	client.wantStatus(-1)
	get(t, "-C", addr, "f", "-o", out).wantStatus(0)
	wantFile(t, out, whole)
	wantOnly(t, dir, "out")
}

// No file is made of parts of two.
func TestGetNoticesThatAFileHasChanged(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	f := filepath.Join(root, "f")
	_, addr := serve(t, "--files", root)
	changed := noise(3 << 20)
	var dir, out string
	for what, change := range map[string]func(was file.Header){
		"later":   func(was file.Header) { os.Chtimes(f, time.Time{}, time.Unix(0, was.Modified+1)) },
		"longer":  func(file.Header) { write(t, append(changed, 1), f) },
		"shorter": func(file.Header) { write(t, changed[:1000], f) },
	} {
		write(t, changed, f)
		dir = t.TempDir() // a part that is there already would be taken for this client's
		out = filepath.Join(dir, "out")
		was, half := headerOf(t, f), changed[:1<<20]
		client, _ := begin(t, was, half, out)
		client.signal(syscall.SIGKILL)
		client.wantStatus(-1)
		change(was)
		if headerOf(t, f) == was {
			t.Fatalf("the file is no %s", what)
		}
		get(t, "-C", addr, "f", "-o", out).wantComplaint(1, "has changed")
		wantFile(t, out+".part", half)
		wantOnly(t, dir, "out.part", "out.part.of")
	}
	get(t, addr, "f", "-o", out).wantStatus(0)
	want, err := os.ReadFile(f)
	if err != nil {
		t.Fatal(err)
	}
	wantFile(t, out, want)
	wantOnly(t, dir, "out")
}

// A transfer that does not end as promised leaves no file.
func TestGetVerifies(t *testing.T) {
	t.Parallel()
	header := file.Header{Size: 100, Modified: 1}
	for about, end := range map[string]func(client *process, st *engine.Stream, part string){
		"too early, after 50 bytes; --resume": func(_ *process, st *engine.Stream, _ string) { st.Close() },
		"INTERNAL, after 50 bytes":            func(_ *process, st *engine.Stream, _ string) { st.Reset(engine.Internal) },
		"INTERNAL, after 100 bytes": func(_ *process, st *engine.Stream, part string) {
			st.Write(make([]byte, 50))
			awaitSize(t, part, 100)
			st.Reset(engine.Internal)
		},
		"more came": func(_ *process, st *engine.Stream, _ string) {
			st.Write(make([]byte, 51))
			st.Close()
		},
		"interrupted, after 50 bytes": func(client *process, _ *engine.Stream, _ string) { client.signal(os.Interrupt) },
	} {
		out := filepath.Join(t.TempDir(), "out")
		client, stream := begin(t, header, make([]byte, 50), out)
		end(client, stream, out+".part")
		client.wantComplaint(1, about)
		wantOnly(t, filepath.Dir(out), "out.part", "out.part.of")
	}
}

func TestGetSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	root, out := filepath.Join(parent, "root"), filepath.Join(parent, "out")
	if err := os.MkdirAll(filepath.Join(root, "dir"), 0o777); err != nil {
		t.Fatal(err)
	}
	write(t, noise(10), root, "f")
	write(t, noise(10), parent, "secret")
	if err := errors.Join(
		os.Symlink("../secret", filepath.Join(root, "link")),
		syscall.Mkfifo(filepath.Join(root, "fifo"), 0o666),
	); err != nil {
		t.Fatal(err)
	}
	_, addr := serve(t, "--files", root)
	for _, c := range []struct{ about, path string }{
		{`the server has no file "missing"`, "missing"},
		{`the server has no file "link"`, "link"},
		{`the server has no file "../secret"`, "../secret"},
		{`"dir" is not a regular file`, "dir"},
		{`"fifo" is not a regular file`, "fifo"},
	} {
		get(t, addr, c.path, "-o", out).wantComplaint(1, c.about)
	}
	get(t, addr, "f", "-o", out, "--offset", "11").wantComplaint(1, "too short")
	get(t, addr, "f", "-o", parent).wantComplaint(1, "is a directory")
	get(t, addr, "f", "-o", filepath.Join(parent, "no", "out")).wantComplaint(1, "no such file or directory")
	get(t, unixAddr(t), "f", "-o", out).wantComplaint(1, "connect: no such file or directory")
	if _, err := os.Stat(out); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a file: %v", err)
	}

	_, addr = serve(t)
	get(t, addr, "f", "-o", out).wantComplaint(1, "gives no files")
	start(t, nil, sscd, "serve", "--files", out).wantComplaint(1, "no such file or directory")
}

// What is no regular file is written to, not replaced.
func TestGetIntoAPipe(t *testing.T) {
	t.Parallel()
	root, pipe := t.TempDir(), filepath.Join(t.TempDir(), "pipe")
	want := noise(1 << 20)
	write(t, want, root, "f")
	if err := syscall.Mkfifo(pipe, 0o666); err != nil {
		t.Fatal(err)
	}
	_, addr := serve(t, "--files", root)
	client := get(t, addr, "f", "-o", pipe)
	wantFile(t, pipe, want)
	client.wantStatus(0)
	wantOnly(t, filepath.Dir(pipe), "pipe")
}
