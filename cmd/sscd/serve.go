package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/sscd-io/sscd/cmd/internal/flags"
	"github.com/sscd-io/sscd/engine"
)

// defaultAddr is where sscd serves.
const defaultAddr = "127.0.0.1:21331"

// serveUsage is what sscd serve says about itself.
const serveUsage = `sscd serve [flags]
serves the targets echo, discard and source:N, and with --files file:PATH, until SIGTERM or SIGINT; then channels may
end (--drain). A second signal ends it at once.`

// serve serves until ctx is done, then lets channels end.
func serve(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags.New(serveUsage)
	cfg := engine.Config{Logger: slog.New(slog.NewTextHandler(stderr, nil))}
	addr := f.String("listen", defaultAddr, "`address` to listen on: host:port, or the path of a Unix socket")
	insecure := f.Bool("insecure", false, "allow an address that is not loopback, in clear text")
	f.StringVar((*string)(&cfg.Backend), "backend", "epoll",
		"how sockets are served: epoll; io_uring, for hundreds of busy connections; or net")
	f.IntVar(&cfg.Loops, "loops", 0, "event loops; 0 means one for each processor")
	f.IntVar(&cfg.MaxChannels, "max-channels", 0, "channels of one connection; 0 means 65536")
	f.IntVar(&cfg.Socket.Backlog, "backlog", 0, "of listen(2); 0 means the system's largest")
	f.BoolVar(&cfg.Socket.ReusePort, "reuseport", false, "SO_REUSEPORT, with a listening socket for each loop")
	f.DurationVar(&cfg.Timeouts.Drain, "drain", 30*time.Second, "how long channels may go on after SIGTERM")
	dir := f.String("files", "", "serve the regular files under a `directory`, as file:PATH")
	maxFiles := f.Int("max-files", 0, "files under way at a time, of which a connection gets half at most; 0 means 128")
	credentials := flags.Credentials(f)
	flags.Limits(f, &cfg)
	flags.Socket(f, &cfg.Socket)
	rest, err := flags.Parse(f, args, stdout)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return flags.Usage("serve takes no arguments, not %q", rest[0])
	}
	if *addr == "" {
		return flags.Usage("--listen needs an address") // the engine would take none for all of them
	}
	if !*insecure && !isLoopback(*addr) {
		return flags.Usage("%s is not a loopback address, and nothing is encrypted: --insecure allows it", *addr)
	}
	app, err := newApplication(*dir, *maxFiles)
	if err != nil {
		return err
	}
	defer app.close()
	cfg.Handler = app
	secret, err := flags.ReadCredentials(*credentials)
	if err != nil {
		return err
	}
	if secret != nil {
		cfg.Authorize = engine.Secret(secret)
	}
	e, err := engine.Start(cfg)
	if err != nil {
		return flags.UsageError{Err: err}
	}
	bound, err := e.Listen(*addr)
	if err != nil {
		e.Close()
		return err
	}
	log := cfg.Logger
	log.Info("serving", "addr", bound.String(), "backend", e.Backend())

	<-ctx.Done()
	s := e.Stats()
	log.Info("draining", "conns", s.Conns, "channels", s.Channels)
	// Connections end by themselves at the drain deadline; a second signal ends the process.
	if err := e.Shutdown(context.Background()); err != nil {
		return err
	}
	log.Info("ended")
	return nil
}

// isLoopback returns whether only this machine reaches an address.
func isLoopback(addr string) bool {
	if strings.HasPrefix(addr, "unix:") || strings.Contains(addr, "/") {
		return true
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return true // Listen says what is wrong with it
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
