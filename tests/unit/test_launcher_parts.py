"""The small parts of the launcher: logs, ports, credentials, database addresses, the lock of its folder."""

import json
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from outcry import credentials, logs, ports, provision
from outcry.home import AlreadyRunningError, Home
from outcry.postgres import SOCKET_PATH_MAX, EmbeddedPostgres


def test_a_log_is_cut_while_it_is_written(tmp_path: Path) -> None:
    """A log over the limit moves aside once, and its writer goes on at the start of the same file."""
    path = tmp_path / "service.log"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"old line\n" * 10)
        assert logs.rotate(path, bytes_max=50)
        writer.write(b"new line\n")
    assert path.read_bytes() == b"new line\n"
    assert (tmp_path / "service.log.1").read_bytes() == b"old line\n" * 10
    assert not logs.rotate(path, bytes_max=50)
    assert logs.tail(path, 5) == ["new line"]


def test_services_reach_the_embedded_database_over_its_socket_where_it_has_one() -> None:
    """The address names the socket's folder and port, for each role; where the path is too long it is TCP."""
    near = EmbeddedPostgres(Path("/home/a b/postgres"), 5555, "p/w").near_url()
    assert near == "postgresql://postgres:p%2Fw@/outcry?host=%2Fhome%2Fa%20b%2Fpostgres%2Frun&port=5555"
    assert provision.role_url(near, "reporting", "s3") == near.replace("postgres:p%2Fw@", "reporting:s3@")
    far = EmbeddedPostgres(Path("/" + "x" * SOCKET_PATH_MAX), 5555, "p/w")
    assert far.near_url() == far.admin_url() == "postgresql://postgres:p%2Fw@127.0.0.1:5555/outcry"


def test_a_taken_port_names_holder_and_variable() -> None:
    """A port in use is reported with its number, the process that holds it, and the variable that moves it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        (line,) = ports.taken([ports.Listener("reporting", "REPORTING_PORT", port)])
    assert f"port {port} (reporting)" in line
    assert "REPORTING_PORT=" in line
    if sys.platform == "linux":
        assert "pytest" in line or "pid" in line
    assert ports.taken([ports.Listener("reporting", "REPORTING_PORT", port)]) == []


def test_secrets_are_private_and_stay(tmp_path: Path) -> None:
    """Secrets are made once, each service has its own, and only their owner can read them."""
    first = credentials.load_or_create(tmp_path, ["wallet-service", "reporting"])
    again = credentials.load_or_create(tmp_path, ["wallet-service", "reporting", "notification"])
    assert again.services["wallet-service"] == first.services["wallet-service"]
    everything = [
        first.postgres_superuser,
        first.valkey_admin,
        *first.services.values(),
        *first.postgres_roles.values(),
    ]
    assert len(set(everything)) == len(everything)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert first.signing_key_file.read_text().startswith("-----BEGIN PRIVATE KEY-----")
    keys = json.loads(again.service_keys)
    assert set(keys) == {"wallet-service", "reporting", "notification", "auditor"}
    assert not set(keys.values()) & set(again.services.values())
    assert first.services["reporting"] not in repr(first)


def test_role_url_replaces_the_user_only() -> None:
    """A service's address leads to the same server and database, options included, as another user."""
    url = provision.role_url("postgresql://admin:pw@db.example:5433/shop?sslmode=require", "wallet_service", "a/b@c")
    assert url == "postgresql://wallet_service:a%2Fb%40c@db.example:5433/shop?sslmode=require"


@pytest.mark.parametrize("name", ["wallet;drop", 'a"b', "a'b", "", "ä"])
def test_odd_names_do_not_reach_sql(name: str) -> None:
    """A role or database name that is not a plain word is refused before any statement is built from it."""
    with pytest.raises(ValueError, match="not a plain name"):
        provision.create_rooms("postgresql://nobody@127.0.0.1:1/none", {name: "pw"})


def test_one_launcher_per_folder(tmp_path: Path) -> None:
    """A second launcher of the same folder is told the pid of the first; a killed one leaves the folder free."""
    home = Home(tmp_path)
    program = "import sys,time; from pathlib import Path; from outcry.home import Home\n"
    program += "with Home(Path(sys.argv[1])).hold(): print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        assert home.holder() == first.pid
        with pytest.raises(AlreadyRunningError) as refusal, home.hold():
            pass
        assert refusal.value.pid == first.pid
        first.kill()
    assert home.holder() is None
    with home.hold():
        assert home.lock_file.read_text() != ""
