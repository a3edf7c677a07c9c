"""A very small HTTP client: enough to ask a service whether it is ready and to set up the demo user.

The launcher lives as long as the exchange, so it does not carry a whole client library in memory for that. It speaks
HTTP/1.0 and reads until the server closes: no keep-alive, no chunks.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit


async def request(
    method: str,
    url: str,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 10.0,
) -> tuple[int, bytes]:
    """Answers status and body. Raises OSError when nobody listens, TimeoutError (an OSError) when nobody answers."""
    async with asyncio.timeout(timeout_s):
        return await _exchange(method, url, body, headers or {})


async def is_ready(url: str, timeout_s: float = 2.0) -> bool:
    """Whether the service at `url` answers 200 to GET /ready."""
    try:
        status, _ = await request("GET", f"{url}/ready", timeout_s=timeout_s)
    except OSError:
        return False
    return status == 200


async def _exchange(
    method: str, url: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
) -> tuple[int, bytes]:
    parts = urlsplit(url)
    payload = json.dumps(body).encode() if body is not None else b""
    target = parts.path or "/"
    lines = [f"{method} {target}{'?' + parts.query if parts.query else ''} HTTP/1.0", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(payload)}"]
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    try:
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + payload)
        answer = await reader.read()
    finally:
        writer.close()
    head, _, content = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[1].isdigit():
        raise ConnectionError(f"{parts.netloc} did not answer in HTTP")
    return int(words[1]), content
