#!/usr/bin/env python3
"""A second, independent speaker of SSC/1's base profile (SPEC.md), to test the engine against.

    ssc_peer.py client HOST PORT      talks to a server that echoes, and says what is wrong with it
    ssc_peer.py server [HOST PORT]    prints its port; echoes, to one client after the other; stops at a wrong one

It believes nothing: what a correct peer would not send is a fault, also where SPEC.md bids a receiver be patient.
"""
import select, signal, socket, struct, sys, time, zlib

OPEN, CLOSE, DATA, ACK, ERROR, PING, PONG, FLOW_CONTROL = range(1, 9)
NAMES = "? OPEN CLOSE DATA ACK ERROR PING PONG FLOW_CONTROL".split()
# How long payloads may be. An empty DATA says nothing, and only extended peers get parameters in ACK.
LENGTHS = {OPEN: range(4097), CLOSE: (0,), DATA: range(1, 65537), ACK: (0,), ERROR: (0, *range(4, 1025)),
           PING: range(257), PONG: range(257), FLOW_CONTROL: (4,)}
WINDOW = 65536
NO_ERROR, REFUSED, CANCELLED = (struct.pack("!I", code) for code in (0, 6, 13))
TARGET = 3  # the parameter of OPEN
PATIENCE, GRANT_DELAY = 10, 0.5  # seconds: to wait for anything; of silence until a small grant


def want(condition, otherwise):
    """Ends the process if the other side is at fault."""
    if not condition:
        sys.exit(f"ssc_peer: {otherwise}")


class Connection:
    """One side of a connection. A server's channels echo. Nothing moves but in turn()."""

    def __init__(self, sock, is_server):
        self.sock, self.is_server = sock, is_server
        self.arrived, self.leaving = bytearray(), bytearray()
        self.channels = {}  # by id, all that ever were; None if we refused it
        self.next_id, self.highest = 1, 0  # of channels that we open; that the other side opened
        self.frames, self.ended = 0, False  # received so far; nothing more comes
        self.pings = []  # payloads of PINGs not answered, oldest first
        sock.setblocking(False)

    def send(self, kind, channel=0, payload=b""):
        head = struct.pack("!2sIBBI", b"SS", channel, kind, 0, len(payload))
        self.leaving += head + struct.pack("!I", zlib.crc32(payload, zlib.crc32(head))) + payload

    def turn(self):
        """Waits a little for the socket, sends, and takes what arrived."""
        readable, writable, _ = select.select([self.sock], [self.sock] if self.leaving else [], [], GRANT_DELAY)
        try:
            if writable:
                del self.leaving[:self.sock.send(self.leaving)]
            arrived = self.sock.recv(WINDOW) if readable else None
        except ConnectionError:
            arrived = b""
        self.arrived += arrived or b""
        while self.take_frame():
            pass
        if arrived == b"":
            self.ended = True
            want(not self.arrived, f"the connection ended in the middle of a frame: {bytes(self.arrived[:16])!r}...")
            live = [c.id for c in self.channels.values() if c and not c.over()]
            want(not live, f"the connection ended, and channels {live} had not")
        elif not readable:
            for c in filter(None, self.channels.values()):
                c.consume(0, 1)

    def until(self, what, condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            want(not self.ended and time.monotonic() < deadline, f"waited in vain for {what}")
            self.turn()

    def take_frame(self):
        """Takes a frame, and returns False if no whole one has arrived."""
        if len(self.arrived) < 16:
            return False
        magic, channel, kind, flags, length, crc = struct.unpack("!2sIBBII", self.arrived[:16])
        want(magic == b"SS", f"magic {magic!r}")
        want(kind in LENGTHS, f"type {kind}, which the base profile does not have")
        name = f"{NAMES[kind]} on channel {channel}"
        hello = self.is_server and kind == PING and self.frames == 0  # it may be longer
        want(length in (range(2049) if hello else LENGTHS[kind]), f"{name} of {length} bytes")
        if len(self.arrived) < 16 + length:
            return False
        head, payload = self.arrived[:12], bytes(self.arrived[16:16 + length])
        del self.arrived[:16 + length]
        want(crc == zlib.crc32(payload, zlib.crc32(head)), f"{name} with CRC {crc:#x}")
        want(flags == 0, f"{name} with flags {flags}")
        want(kind == ERROR or (channel == 0) == (kind in (PING, PONG)), name)
        self.frames += 1
        if kind == PING:
            self.send(PONG, 0, payload)
        elif kind == PONG:
            want(self.pings and self.pings.pop(0) == payload, f"PONG {payload!r} does not answer our oldest PING")
        elif kind == OPEN:
            legal = self.is_server and channel % 2 == 1 and channel > self.highest
            want(legal, f"OPEN of channel {channel} behind {self.highest}")
            served, self.highest = target_of(payload) in (b"", b"echo"), channel
            self.channels[channel] = Channel(self, channel, accepted=True) if served else None
            self.send(ACK if served else ERROR, channel, b"" if served else REFUSED)
        elif channel != 0:
            want(channel in self.channels, f"{NAMES[kind]} on channel {channel}, which was never opened")
            if self.channels[channel]:  # else the other side may not know yet that we refused it
                self.channels[channel].take(kind, payload)
        elif payload[:4] == NO_ERROR:
            want(len(payload) >= 8, "GOAWAY without an id")
        else:
            want(self.is_server and payload[:4] == CANCELLED, f"the other side reports a connection error: {payload!r}")
            self.channels.clear()
        return True

    def open(self, target=b""):
        c = self.channels[self.next_id] = Channel(self, self.next_id, accepted=False)
        self.next_id += 2
        self.send(OPEN, c.id, target and struct.pack("!BH", TARGET, len(target)) + target)
        return c

    def ping(self, payload):
        self.pings.append(payload)
        self.send(PING, 0, payload)
        self.until("PONG", lambda: not self.pings)


def target_of(params):
    """Returns the target among OPEN's parameters, each of which is u8 type, u16 length, value."""
    found = {}
    while params:
        end = 3 + int.from_bytes(params[1:3], "big")
        want(3 <= len(params) >= end and params[0] not in found, f"OPEN parameters end with {params!r}")
        found[params[0]], params = params[3:end], params[end:]
    return found.get(TARGET, b"")


class Channel:
    """One side of a channel."""

    def __init__(self, conn, id, accepted):
        self.conn, self.id = conn, id
        self.accepted = accepted  # ACK has answered OPEN
        self.send_window = self.receive_window = WINDOW
        self.inbox, self.outbox = b"", b""
        self.owed, self.grants = 0, True  # consumed and not granted yet; whether to grant at all
        self.closing = self.close_acked = self.peer_closed = False
        self.error = None  # the payload of the other side's ERROR

    def over(self):
        """Whether neither side waits for the other any more."""
        return self.close_acked or self.error is not None or self.peer_closed and not self.closing

    def take(self, kind, payload):
        name = f"{NAMES[kind]} on channel {self.id}"
        want(self.accepted or kind in (ACK, ERROR), f"{name} before its ACK")
        want(self.error is None and not self.close_acked, f"{name}, which has ended")
        want(not self.peer_closed or kind in (ACK, ERROR), f"{name} behind CLOSE")
        if kind == ACK:
            want(not self.accepted or self.closing, f"{name} answers nothing")
            self.close_acked, self.accepted = self.accepted, True
        elif kind == DATA:
            want(len(payload) <= self.receive_window, f"{name} fills {len(payload)} of {self.receive_window} bytes")
            self.receive_window -= len(payload)
            if self.conn.is_server:
                self.write(payload)
            else:
                self.inbox += payload
                self.consume(len(payload))
        elif kind == FLOW_CONTROL:
            self.send_window += int.from_bytes(payload, "big")
            want(any(payload) and self.send_window <= WINDOW, f"{name} makes the window {self.send_window}")
            self.write(b"")
        elif kind == CLOSE:
            self.peer_closed = True
            self.conn.send(ACK, self.id)
        else:
            self.error = payload

    def write(self, data):
        data = self.outbox + data
        piece, self.outbox = data[:self.send_window], data[self.send_window:]
        if piece:
            self.conn.send(DATA, self.id, piece)
            self.send_window -= len(piece)
        if self.conn.is_server:
            self.consume(len(piece))  # not before: so it never keeps more than a window

    def consume(self, n, least=WINDOW // 2):
        self.owed += n
        if self.grants and self.owed >= least and not (self.over() or self.closing):
            self.conn.send(FLOW_CONTROL, self.id, struct.pack("!I", self.owed))
            self.receive_window, self.owed = self.receive_window + self.owed, 0

    def expect(self, data):
        self.conn.until(f"the echo on channel {self.id}", lambda: len(self.inbox) >= len(data))
        want(self.inbox == data, f"channel {self.id}: the echo of {len(data)} bytes differs")
        self.inbox = b""


def converse(conn):
    """Says what a client has to say to a server that echoes."""
    conn.turn()
    want(conn.frames == 0, "the server spoke first")
    # Ten channels, half of them named. Their messages do not wait for ACK, and all come back.
    channels = [conn.open(b"echo" if i % 2 else b"") for i in range(10)]
    said = [b"channel %d says %d. " % (c.id, c.id * 7919) * 3 ** (c.id // 3) for c in channels]
    for c, text in zip(channels, said):
        c.write(text)
    for c, text in zip(channels, said):
        c.expect(text)
    for payload in b"", b"\0\0\0\1", bytes(range(256)):
        conn.ping(payload)
    # A channel that grants nothing fills its window and no more, and holds up no other, and no PONG.
    stuck, other, flood = channels[0], conn.open(), bytes(i * i % 251 for i in range(3 * WINDOW))
    stuck.grants = False
    stuck.write(flood)
    conn.until("a full window", lambda: stuck.receive_window == 0)
    conn.ping(b"still there?")
    other.write(flood * 4)
    other.expect(flood * 4)
    stuck.grants = True
    stuck.expect(flood)
    # What nobody serves is refused, and harms nobody.
    nobody = conn.open(b"no such target")
    conn.until("the refusal of an unknown target", lambda: nobody.error and nobody.error[:4] == REFUSED)
    # All that was consumed is granted back. All is closed, one channel before it was accepted.
    conn.until("the grant of all that was sent", lambda: all(c.send_window == WINDOW for c in (*channels, other)))
    channels += other, conn.open()
    for c in channels:
        c.closing = True
        conn.send(CLOSE, c.id)
    conn.until("an ACK for each CLOSE", lambda: all(c.close_acked for c in channels) and not conn.leaving)
    conn.sock.shutdown(socket.SHUT_WR)
    conn.until("the end of the connection", lambda: conn.ended)


def main(role="", host="127.0.0.1", port="0"):
    if role == "client":
        converse(Connection(socket.create_connection((host, int(port))), is_server=False))
    elif role == "server":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        listener = socket.create_server((host, int(port)))
        print(listener.getsockname()[1], flush=True)
        while True:
            with listener.accept()[0] as sock:
                conn = Connection(sock, is_server=True)
                while not conn.ended:
                    conn.turn()
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
