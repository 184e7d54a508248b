//go:build linux

package engine_test

import (
	"fmt"
	"testing"

	"github.com/sscd-io/sscd/engine"
)

// storyServers is to how many servers of each backend stories are dealt out.
const storyServers = 4

// trial is a test of a server that it has to itself.
type trial struct {
	name string
	cfg  engine.Config
	run  func(t *testing.T, s *rawServer)
}

// tryAtOnce runs trials at the same time, since most of their time they wait. So each looks only at what its own server
// holds; what the process holds is compared when all are over, before the servers end, with what it was when all had
// begun.
func tryAtOnce(t *testing.T, trials []trial) {
	var servers []*rawServer
	for _, tr := range trials {
		s := serveRaw(t, tr.cfg)
		s.beside = true
		servers = append(servers, s)
	}
	before := used(t)
	subtests := make(map[string]func(t *testing.T))
	for i, tr := range trials {
		subtests[tr.name] = func(t *testing.T) { tr.run(t, servers[i]) }
	}
	if len(subtests) != len(trials) {
		t.Fatal("two trials have one name")
	}
	atOnce(t, subtests)
	if !t.Failed() {
		before.again(t)
	}
}

// onServers runs a test on a server of each backend, as tryAtOnce does.
func onServers(t *testing.T, cfg engine.Config, run func(t *testing.T, s *rawServer)) {
	var trials []trial
	for _, b := range backends {
		cfg.Backend = b
		trials = append(trials, trial{string(b), cfg, run})
	}
	tryAtOnce(t, trials)
}

// chapter is stories about one thing.
type chapter struct {
	name    string
	stories []story
}

// playOnServers plays stories on each backend, as tryAtOnce does.
func playOnServers(t *testing.T, cfg engine.Config, book []chapter) {
	var trials []trial
	for _, b := range backends {
		cfg.Backend = b
		for first := range storyServers {
			trials = append(trials, trial{fmt.Sprintf("%s/%d", b, first), cfg, func(t *testing.T, s *rawServer) {
				for _, c := range book {
					var dealt []story
					for i := first; i < len(c.stories); i += storyServers {
						dealt = append(dealt, c.stories[i])
					}
					t.Run(c.name, func(t *testing.T) { s.play(t, dealt) })
				}
			}})
		}
	}
	tryAtOnce(t, trials)
}
