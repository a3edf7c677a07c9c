"""Every byte that an exchange has stored of itself, for tests that search it: traces, logs, figures, tables."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import duckdb
import httpx
import redis
import zstandard

from tests.e2e.exchange import Exchange

Place = tuple[str, bytes]
"""Where something is stored, and what."""

DATA_FOLDERS = {"postgres", "valkey", "jaegerlite", "secrets"}
"""Folders below OUTCRY_HOME that are no logs; all but the secrets are read through their servers."""


def traces_by_api(exchange: Exchange) -> Iterator[Place]:
    """What Jaeger's API tells of every service."""
    services = httpx.get(f"{exchange.jaeger}/api/services", trust_env=False).json()["data"]
    for service in services:
        query = {"service": service, "limit": "1500", "lookback": "1h"}
        answer = httpx.get(f"{exchange.jaeger}/api/traces", params=query, timeout=60, trust_env=False)
        yield f"traces of {service}", answer.content


def traces_raw(exchange: Exchange) -> Iterator[Place]:
    """Every value of every table of the trace store, unpacked, from a copy made while the store stands still."""
    folder = Path(tempfile.mkdtemp(prefix="outcry-stored-"))
    pid = exchange.pid("jaegerlite")
    os.kill(pid, signal.SIGSTOP)
    try:
        shutil.copytree(exchange.home / "jaegerlite", folder / "copy")
    finally:
        os.kill(pid, signal.SIGCONT)
    for file in sorted((folder / "copy").rglob("*.duckdb")):
        with duckdb.connect(str(file)) as connection:
            tables = connection.execute("SELECT table_name FROM information_schema.tables").fetchall()
            for (table,) in tables:
                rows = connection.execute(f'SELECT * FROM "{table}"').fetchall()
                yield f"{file.name}: {table}", b"\n".join(_unpacked(value) for row in rows for value in row)
    for file in (path for path in (folder / "copy").rglob("*") if path.is_file() and ".duckdb" not in path.name):
        yield file.name, file.read_bytes()
    shutil.rmtree(folder)


def logs(exchange: Exchange) -> Iterator[Place]:
    """Everything below OUTCRY_HOME that no server keeps for itself, and what the launcher wrote."""
    yield "launcher", exchange.home.with_suffix(".log").read_bytes()
    for file in sorted(exchange.home.rglob("*")):
        if file.is_file() and file.relative_to(exchange.home).parts[0] not in DATA_FOLDERS:
            yield str(file.relative_to(exchange.home)), file.read_bytes()


def figures(exchange: Exchange) -> Iterator[Place]:
    """``/metrics`` of every process, in both formats."""
    silent = {"OUTCRY_POSTGRES_PORT", "OUTCRY_REDIS_PORT", "FIX_PORT"}
    if not exchange.pid("fix-gateway"):
        silent.add("FIX_GATEWAY_PORT")
    servers = [name for name in exchange.ports if name not in silent]
    for name in servers:
        if name.startswith("JAEGERLITE") and name != "JAEGERLITE_QUERY_PORT":
            continue
        for accept in ("text/plain", "application/openmetrics-text"):
            url = f"http://127.0.0.1:{exchange.ports[name]}/metrics"
            answer = httpx.get(url, headers={"Accept": accept}, timeout=15, trust_env=False)
            assert answer.status_code == 200, url
            yield f"{name} {accept}", answer.content


def valkey(exchange: Exchange) -> Iterator[Place]:
    """All keys and values of Valkey, streams included."""
    with redis.Redis.from_url(exchange.redis_url()) as client:
        for key in client.scan_iter(count=1000):
            yield f"valkey {key!r}", repr(_value(client, key)).encode()


def _value(client: redis.Redis, key: bytes) -> Any:
    kind = client.type(key)
    if kind == b"stream":
        return client.xrange(key)
    if kind == b"hash":
        return client.hgetall(key)
    if kind == b"set":
        return client.smembers(key)
    if kind == b"zset":
        return client.zrange(key, 0, -1, withscores=True)
    return client.lrange(key, 0, -1) if kind == b"list" else client.get(key)


def tables(exchange: Exchange) -> list[Place]:
    """All rows of all services' tables, outboxes included."""

    async def read() -> list[Place]:
        connection = await asyncpg.connect(exchange.database_url())
        names = await connection.fetch(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
            " AND table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
        found: list[Place] = []
        for schema, table in names:
            rows = await connection.fetch(f'SELECT * FROM "{schema}"."{table}"')
            found.append((f"{schema}.{table}", b"\n".join(_unpacked(value) for row in rows for value in row.values())))
        await connection.close()
        return found

    return asyncio.run(read())


def _unpacked(value: Any) -> bytes:
    """A stored value as bytes; blobs that are packed with zstd are unpacked."""
    if not isinstance(value, bytes):
        return str(value).encode()
    try:
        return value + zstandard.ZstdDecompressor().decompress(value, max_output_size=1 << 28)
    except zstandard.ZstdError:
        return value
