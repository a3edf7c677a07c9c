"""An HTTP peer for the tests of what calls one: on a port of its own, it hears each request as a whole."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Reply = Callable[[bytes, bytes, asyncio.StreamWriter], Awaitable[None]]
"""Gets the head and the body of a request, and writes what it likes; it may close the connection."""


@asynccontextmanager
async def http_peer(reply: Reply) -> AsyncIterator[str]:
    """The URL of a peer that replies so to each request, for as long as the block runs."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reply(head, await reader.readexactly(length), writer)
        except asyncio.IncompleteReadError:
            pass  # the client has closed the connection: the end
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
