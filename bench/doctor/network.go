package doctor

import "fmt"

const (
	// spareFiles is how many descriptors a server keeps for other things than connections.
	spareFiles = 256

	// burst is how many connections may come while a loop does something else, at most: beyond that they come slower
	// than they are accepted.
	burst = 4096

	// segment is what an active connection holds in the kernel at least, in bytes, each way: one packet with what
	// the kernel keeps beside it.
	segment = 4096

	// roomFactor is how much more than the bandwidth-delay product a buffer must hold: half of it is the kernel's own
	// bookkeeping.
	roomFactor = 2
)

// examiner looks at one system.
type examiner struct {
	System
	Want
}

// unknown is the Finding of a file that can't be read.
func unknown(name, file string) Finding {
	return Finding{Level: Unknown, Name: name, Is: "/" + file + " can't be read"}
}

// atLeast compares a limit with what is wanted of it; level is for too little.
func atLeast(f Finding, level Level, is, want int) Finding {
	f.Level = OK
	if is < want {
		f.Level = level
	}
	return f
}

// sysctl is the command that sets one.
func sysctl(key string, value any) string { return fmt.Sprintf(`sysctl -w %s="%v"`, key, value) }

// accept is about connections that wait to be accepted.
func (e *examiner) accept() Finding {
	const file = "proc/sys/net/core/somaxconn"
	n, ok := e.numbers(file, 1)
	if !ok {
		return unknown("somaxconn", file)
	}
	want := min(e.Conns, burst)
	if e.Backlog > 0 {
		want = e.Backlog
	}
	return atLeast(Finding{
		Name: "somaxconn", Is: count(n[0]), Want: count(want),
		Why:  "the kernel cuts the backlog of listen(2) to it; a burst of connections beyond it waits a second or more",
		Mend: sysctl("net.core.somaxconn", want),
	}, Warn, n[0], want)
}

// syns is about connections half made.
func (e *examiner) syns() Finding {
	const file = "proc/sys/net/ipv4/tcp_max_syn_backlog"
	n, ok := e.numbers(file, 1)
	if !ok {
		return unknown("syn backlog", file)
	}
	want := min(e.Conns, burst)
	return atLeast(Finding{
		Name: "syn backlog", Is: count(n[0]), Want: count(want),
		Why:  "connections whose handshake is under way; beyond it SYNs are dropped, or answered with cookies",
		Mend: sysctl("net.ipv4.tcp_max_syn_backlog", want),
	}, Warn, n[0], want)
}

// ports is about connections from this system.
func (e *examiner) ports() Finding {
	const file = "proc/sys/net/ipv4/ip_local_port_range"
	n, ok := e.numbers(file, 2)
	if !ok {
		return unknown("ports", file)
	}
	is := fmt.Sprintf("%s (%d to %d)", count(n[1]-n[0]+1), n[0], n[1])
	if !e.Dials {
		return Finding{Level: OK, Name: "ports", Is: is, Want: "none: the clients are elsewhere"}
	}
	return atLeast(Finding{
		Name: "ports", Is: is, Want: count(e.Conns),
		Why:  "a client's connections to one destination take a port each; beyond 64,000 it needs more addresses",
		Mend: sysctl("net.ipv4.ip_local_port_range", "1024 65535"),
	}, Fail, n[1]-n[0]+1, e.Conns)
}

// conntrack is about the firewall's table.
func (e *examiner) conntrack() Finding {
	const file, now = "proc/sys/net/netfilter/nf_conntrack_max", "proc/sys/net/netfilter/nf_conntrack_count"
	n, ok := e.numbers(file, 1)
	if !ok {
		return Finding{Level: OK, Name: "conntrack", Is: "not loaded"}
	}
	want := e.Conns
	if used, ok := e.numbers(now, 1); ok {
		want += used[0]
	}
	return atLeast(Finding{
		Name: "conntrack", Is: count(n[0]), Want: count(want),
		Why:  "each connection is an entry if a rule tracks it; when the table is full, packets are dropped",
		Mend: sysctl("net.netfilter.nf_conntrack_max", 2*want),
	}, Fail, n[0], want)
}

// product is the bandwidth-delay product, in bytes.
func (e *examiner) product() int { return int(e.Rate * e.RTT.Seconds()) }

// receive is about the window that TCP grows to.
func (e *examiner) receive() Finding {
	return e.autotuned("tcp_rmem", "4096 131072", "what the receiver can announce")
}

// send is about what TCP keeps until it is acknowledged.
func (e *examiner) send() Finding {
	return e.autotuned("tcp_wmem", "4096 16384", "what the sender keeps until it is acknowledged")
}

func (e *examiner) autotuned(name, low, what string) Finding {
	file := "proc/sys/net/ipv4/" + name
	n, ok := e.numbers(file, 3)
	if !ok {
		return unknown(name, file)
	}
	want := roomFactor * e.product()
	return atLeast(Finding{
		Name: name, Is: "up to " + size(n[2]),
		Want: fmt.Sprintf("%s, twice the bandwidth-delay product", size(want)),
		Why:  "one connection carries less than the line: it bounds " + what,
		Mend: sysctl("net.ipv4."+name, fmt.Sprintf("%s %d", low, want)),
	}, Warn, n[2], want)
}

// readBuffer is about SO_RCVBUF.
func (e *examiner) readBuffer() Finding { return e.fixed("rmem_max", "rcvbuf", e.ReadBuf) }

// writeBuffer is about SO_SNDBUF.
func (e *examiner) writeBuffer() Finding { return e.fixed("wmem_max", "sndbuf", e.WriteBuf) }

func (e *examiner) fixed(name, flag string, want int) Finding {
	file := "proc/sys/net/core/" + name
	n, ok := e.numbers(file, 1)
	if !ok {
		return unknown(name, file)
	}
	f := Finding{
		Name: name, Is: size(n[0]), Want: size(want),
		Why:  "the kernel gives --" + flag + " no more than this, and says nothing",
		Mend: sysctl("net.core."+name, want),
	}
	if want == 0 {
		f.Want = "nothing: --" + flag + " is not set, and the kernel tunes"
	}
	return atLeast(f, Warn, n[0], want)
}

// tcpMemory is about all sockets together.
func (e *examiner) tcpMemory() Finding {
	const file = "proc/sys/net/ipv4/tcp_mem"
	n, ok := e.numbers(file, 3)
	if !ok {
		return unknown("tcp_mem", file)
	}
	const page = 4096
	want := max(e.Conns*2*segment, roomFactor*e.product()) / page
	return atLeast(Finding{
		Name: "tcp_mem", Is: size(n[1] * page), Want: size(want * page),
		Why:  "when all sockets together hold that much, windows shrink; beyond the third number packets are dropped",
		Mend: sysctl("net.ipv4.tcp_mem", fmt.Sprintf("%d %d %d", want, 2*want, 3*want)),
	}, Warn, n[1], want)
}

// idle is about connections that have nothing to send for a while.
func (e *examiner) idle() Finding {
	const file = "proc/sys/net/ipv4/tcp_slow_start_after_idle"
	n, ok := e.numbers(file, 1)
	if !ok {
		return unknown("slow start", file)
	}
	return atLeast(Finding{
		Name: "slow start", Is: fmt.Sprintf("after idle: %d", n[0]), Want: "0",
		Why:  "a connection that was silent begins again with 10 packets a round trip, all channels with it",
		Mend: sysctl("net.ipv4.tcp_slow_start_after_idle", 0),
	}, Warn, -n[0], 0)
}
