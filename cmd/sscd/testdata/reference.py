"""Drives the pattern's reference peer, which lies in the directory DIR, unchanged.

    reference.py DIR client PORT    talks to a server that echoes; an assertion fails if the server was wrong
    reference.py DIR server         echoes; prints its port

The reference prints what it finds wrong with a frame, so any other output means that something was.
"""
import asyncio
import sys

sys.path.insert(0, sys.argv[1])
from ssc_reference import Multiplexer  # noqa: E402

WINDOW = 65536


async def send(channel, message):
    """Sends a message, which the reference takes whole or not at all."""
    while not await channel.send(message):
        assert channel.is_open and not channel.is_closing
        await asyncio.sleep(0.01)


async def expect(channel, wanted):
    got = b""
    while len(got) < len(wanted):
        data = await channel.receive()  # which also grants, and gives up after a second
        assert data, f"channel {channel.channel_id}: {len(got)} of {len(wanted)} bytes came back"
        got += data
    assert got == wanted, f"channel {channel.channel_id}: {len(wanted)} bytes came back changed"


async def client(port):
    mux = Multiplexer(*await asyncio.open_connection("127.0.0.1", port))
    channels = await asyncio.gather(*(mux.open_channel() for _ in range(10)))
    said = [f"This is channel {c.channel_id}.".encode() for c in channels]
    for channel, text in zip(channels, said):
        await send(channel, text)
    await asyncio.gather(*(expect(channel, text) for channel, text in zip(channels, said)))

    # Whole windows as one message need all that was consumed to be granted, also where that was little.
    messages = [bytes(i * (i + n) % 251 for i in range(size))
                for n, size in enumerate([WINDOW] * 4 + [20000, WINDOW, 1] + [WINDOW] * 4)]

    async def send_all():
        for message in messages:
            await send(channels[0], message)
    await asyncio.gather(send_all(), expect(channels[0], b"".join(messages)))

    # The reference sends CLOSE, does not look at the answer, and takes a second for it.
    await asyncio.gather(*(channel.close() for channel in channels))
    assert mux.is_running, "the server has ended the connection"
    await mux.close()


async def echo(channel):
    while not channel.is_closing:
        data = await channel.receive()
        while data and not channel.is_closing and not await channel.send(data):
            await asyncio.sleep(0.01)


async def serve(reader, writer):
    mux = Multiplexer(reader, writer, is_server=True)
    echoes = {}
    while mux.is_running:
        for channel in list(mux.channels.values()):
            if channel.channel_id not in echoes:
                echoes[channel.channel_id] = asyncio.create_task(echo(channel))
        await asyncio.sleep(0.01)
    for task in (mux.ping_task, *echoes.values()):
        task.cancel()
    writer.close()


async def server():
    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(listener.sockets[0].getsockname()[1], flush=True)
    await listener.serve_forever()


asyncio.run(client(int(sys.argv[3])) if sys.argv[2] == "client" else server())
