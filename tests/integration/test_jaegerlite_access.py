"""Who may do what: TLS, tokens, logins, proxies, tenants; and copies of the store."""

import base64
import hashlib
import os
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import pytest

from jaegerlite.passwords import password_hash
from tests.certificates import certificate
from tests.jaegerlite_process import PROTOBUF, Jaegerlite, otlp_spans, request, within

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
READER, WRITER, ADMIN, NARROW = "reader-token", "writer-token", "admin-token", "red-token"


def _access_file(folder: Path) -> Path:
    roles = {READER: "read", WRITER: "write", ADMIN: "admin"}
    lines = [
        f'[[tokens]]\nname = "{token}"\nroles = ["{role}"]\nsha256 = "{hashlib.sha256(token.encode()).hexdigest()}"'
        for token, role in roles.items()
    ]
    lines.append(
        f'[[tokens]]\nname = "narrow"\nroles = ["admin"]\ntenants = ["red"]\n'
        f'sha256 = "{hashlib.sha256(NARROW.encode()).hexdigest()}"'
    )
    lines.append(f'[[users]]\nname = "ada"\nroles = ["read"]\npassword = "{password_hash("correct horse")}"')
    lines.append('[proxy]\naddresses = ["127.0.0.2/32"]\nroles = ["read"]\n[proxy.groups]\nsre = ["admin"]')
    file = folder / "access.toml"
    file.write_text("\n".join(lines))
    return file


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaegerlite]:
    """A jaegerlite with an access file."""
    folder = tmp_path_factory.mktemp("guarded")
    running = Jaegerlite(folder, JAEGERLITE_ACCESS_FILE=str(_access_file(folder)))
    yield running
    assert running.stop() == 0


def test_nobody_gets_in_without_credentials(guarded: Jaegerlite) -> None:
    """Every port asks who it is, but for the questions whether the process lives."""
    for path in ("/", "/api/services", "/api/v3/services", "/metrics", "/api/live", "/api/backup"):
        answer = guarded.get(path)
        assert (answer.status, answer.headers["www-authenticate"].split()[0]) == (401, "Basic")
    for path in ("/health", "/ready"):
        assert guarded.get(path).status == 200
    assert guarded.post(otlp_spans("x", 1)).status == 401
    for port, path in (("JAEGER_HTTP", "/api/traces"), ("ZIPKIN", "/api/v2/spans")):
        assert request(f"http://127.0.0.1:{guarded.ports[port]}{path}", b"").status == 401
    assert request(f"http://127.0.0.1:{guarded.ports['SAMPLING']}/sampling?service=a").status == 401
    with grpc.insecure_channel(f"127.0.0.1:{guarded.ports['OTLP_GRPC']}") as channel:
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary(EXPORT)(b"", timeout=5)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_roles_open_what_they_name(guarded: Jaegerlite) -> None:
    """Readers read, writers send, administrators do both and more; nobody does what the role does not say."""
    spans = otlp_spans("roles", 0x10)
    statuses = {
        token: (
            guarded.post(spans, **_bearer(token)).status,
            guarded.get("/api/services", **_bearer(token)).status,
            request(guarded.url("/api/backup"), b"", _bearer(token)).status,
            request(guarded.url("/api/archive/f00"), b"", _bearer(token)).status,
        )
        for token in (READER, WRITER, ADMIN, "wrong-token")
    }
    assert statuses == {
        READER: (403, 200, 403, 403),
        WRITER: (200, 403, 403, 404),
        ADMIN: (200, 200, 200, 404),
        "wrong-token": (401, 401, 401, 401),
    }
    with grpc.insecure_channel(f"127.0.0.1:{guarded.ports['OTLP_GRPC']}") as channel:
        export = channel.unary_unary(EXPORT)
        assert export(spans, metadata=(("authorization", f"Bearer {WRITER}"),), timeout=5) == b""
        with pytest.raises(grpc.RpcError) as refused:
            export(spans, metadata=(("authorization", f"Bearer {READER}"),), timeout=5)
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_a_name_and_password_open_the_pages(guarded: Jaegerlite) -> None:
    """Basic authentication lets a user in with the right password, and with no other."""
    for password, status in (("correct horse", 200), ("correct horse", 200), ("wrong horse", 401), ("", 401)):
        credentials = base64.b64encode(f"ada:{password}".encode()).decode()
        assert guarded.get("/", Authorization=f"Basic {credentials}").status == status
    assert guarded.get("/", Authorization="Basic !").status == 401


def test_only_the_named_proxy_may_speak_for_a_user(guarded: Jaegerlite) -> None:
    """The headers of a proxy count when the request comes from its address, and only then."""
    headers = {"X-Forwarded-User": "grace", "X-Forwarded-Groups": "dev,sre"}
    assert request(guarded.url("/api/services"), headers=headers).status == 401
    assert request(guarded.url("/api/services"), headers=headers | {"X-Forwarded-For": "127.0.0.2"}).status == 401
    assert _from_address("127.0.0.2", guarded.query_port, "GET /api/services", headers) == 200
    assert (
        _from_address("127.0.0.2", guarded.query_port, "POST /api/backup", headers | {"X-Forwarded-Groups": ""}) == 403
    )
    assert _from_address("127.0.0.2", guarded.query_port, "GET /api/services", {}) == 401


def _from_address(source: str, port: int, line: str, headers: dict[str, str]) -> int:
    """The status of a request that comes from another address of this machine."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5, source_address=(source, 0))
    method, _, path = line.partition(" ")
    connection.request(method, path, headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_another_site_may_not_act_in_ones_name(guarded: Jaegerlite) -> None:
    """A browser that is sent here by another site changes nothing, whatever credentials it adds."""
    headers = _bearer(ADMIN) | {"Sec-Fetch-Site": "cross-site"}
    assert request(guarded.url("/api/archive/f00"), b"", headers).status == 403


def test_tenants_see_their_own_spans_only(tmp_path: Path) -> None:
    """With tenants, spans and queries name theirs; what one sends, no other finds, and there is no UDP."""
    running = Jaegerlite(tmp_path, JAEGERLITE_TENANTS="red, blue", JAEGERLITE_ACCESS_FILE=str(_access_file(tmp_path)))
    ports = running.ports

    def ask(tenant: str, path: str = "/api/services", token: str = ADMIN) -> tuple[int, object]:
        headers = _bearer(token) | ({"X-Tenant": tenant} if tenant else {})
        answer = request(running.url(path), headers=headers)
        return answer.status, answer.json["data"] if answer.status == 200 else answer.json["errors"][0]["msg"]

    try:
        for tenant, service in (("red", "r"), ("blue", "b")):
            assert running.post(otlp_spans(service, 0xC0), **_bearer(WRITER), X_Tenant=tenant).status == 200
        with grpc.insecure_channel(f"127.0.0.1:{ports['OTLP_GRPC']}") as channel:
            metadata = (("authorization", f"Bearer {WRITER}"), ("x-tenant", "red"))
            channel.unary_unary(EXPORT)(otlp_spans("r2", 0xC1), metadata=metadata, timeout=5)
        within(
            3.0, lambda: all(ask(*each)[0] == 200 for each in (("red", "/api/traces/c1"), ("blue", "/api/traces/c0")))
        )
        assert (ask("red"), ask("blue")) == ((200, ["r", "r2"]), (200, ["b"]))
        assert ask("red", "/api/traces/c0")[1] != ask("blue", "/api/traces/c0")[1]
        assert ask("blue", "/api/traces/c1")[0] == 404
        assert ask("") == (401, "missing tenant header")
        assert ask("green") == (401, "unknown tenant")
        assert ask("blue", token=NARROW) == (401, "unknown tenant")
        assert ask("red", token=NARROW)[0] == 200
        assert running.post(otlp_spans("x", 1), **_bearer(WRITER)).status == 401
    finally:
        assert running.stop() == 0


def test_every_tcp_port_speaks_tls(tmp_path: Path) -> None:
    """With a certificate, all ports take TLS and nothing else."""
    public, key = certificate(tmp_path, "backend")
    context = ssl.create_default_context(cafile=str(public))

    class Secure(Jaegerlite):
        def get(self, path: str, **_: str):  # type: ignore[no-untyped-def]  # the start waits for /ready
            from tests.jaegerlite_process import Answer

            with urllib.request.urlopen(f"https://127.0.0.1:{self.query_port}{path}", context=context) as response:
                return Answer(response.status, response.headers, response.read())

    running = Secure(tmp_path, JAEGERLITE_TLS_CERT_FILE=str(public), JAEGERLITE_TLS_KEY_FILE=str(key))
    try:
        body = otlp_spans("secret", 0x5EC)
        for port, path in (("OTLP_HTTP", "/v1/traces"), ("JAEGER_HTTP", "/api/traces"), ("ZIPKIN", "/api/v2/spans")):
            address = f"127.0.0.1:{running.ports[port]}{path}"
            wanted = urllib.request.Request(f"https://{address}", body, {"Content-Type": PROTOBUF})
            try:
                status = urllib.request.urlopen(wanted, context=context).status
            except urllib.error.HTTPError as error:
                status = error.code
            assert status == (200 if port == "OTLP_HTTP" else 415)
            with pytest.raises((urllib.error.URLError, ConnectionError)):
                urllib.request.urlopen(f"http://{address}", timeout=5)
        asked = f"https://127.0.0.1:{running.ports['SAMPLING']}/sampling?service=a"
        assert urllib.request.urlopen(asked, context=context).status == 200
        credentials = grpc.ssl_channel_credentials(public.read_bytes())
        with grpc.secure_channel(f"127.0.0.1:{running.ports['OTLP_GRPC']}", credentials) as channel:
            assert channel.unary_unary(EXPORT)(body, timeout=5) == b""
        within(3.0, lambda: "secret" in running.get("/api/services").json["data"])
    finally:
        assert running.stop() == 0


def _run(running: Jaegerlite, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "jaegerlite", *arguments],
        env=running.environment | variables,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_copy_made_while_running_can_be_put_back(tmp_path: Path) -> None:
    """`backup` copies a store that goes on taking spans, `restore` brings that state back once it is stopped."""
    running = Jaegerlite(tmp_path)
    for trace in range(1, 201):
        running.post(otlp_spans("kept", trace))
    running.wait_stored(200)
    assert request(running.url("/api/archive/1"), b"").status == 200
    made = _run(running, "backup")
    assert made.returncode == 0, made.stderr
    running.post(otlp_spans("later", 0xFFFF))
    running.wait_stored(201)
    refused = _run(running, "restore", made.stdout.strip())
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert running.stop(signal.SIGKILL) != 0
    restored = _run(running, "restore", made.stdout.strip())
    assert restored.returncode == 0, restored.stderr
    running.start()
    assert len(running.find(service="kept", limit="1000")) == 200
    assert running.get("/api/traces/ffff").status == 404
    assert running.get("/api/archive/1").status == 200
    assert running.post(otlp_spans("again", 0xAAAA)).status == 200
    within(3.0, lambda: running.get("/api/traces/aaaa").status == 200)
    assert running.stop() == 0
    closed = _run(running, "backup")
    assert closed.returncode == 0, closed.stderr
    assert (Path(closed.stdout.strip()) / "spans.duckdb").is_file()


def test_tokens_and_passwords_are_made(tmp_path: Path) -> None:
    """The commands print what the access file needs, and it is accepted."""
    python = [sys.executable, "-m", "jaegerlite"]
    token = subprocess.run([*python, "token"], capture_output=True, text=True, check=True).stdout
    password = subprocess.run([*python, "password"], input="s3cret\n", capture_output=True, text=True, check=True)
    file = tmp_path / "access.toml"
    file.write_text(token.partition("\n\n")[2] + password.stdout)
    running = Jaegerlite(tmp_path, JAEGERLITE_ACCESS_FILE=str(file))
    secret = token.partition("\n")[0]
    assert running.post(otlp_spans("x", 1), **_bearer(secret)).status == 200
    assert running.stop() == 0


@pytest.mark.parametrize(
    "text",
    ["nonsense", "[[tokens]]\nname = 'x'", "[[users]]\nname = 'x'\nroles = ['king']",
     "[[tokens]]\nname = 'x'\nroles = ['read']\nsha256 = 'nonsense'",
     "[[tokens]]\nname = 'x'\nroles = []\nsha256 = 'ab'",
     "[proxy]\naddresses = ['here']"],
)  # fmt: skip
def test_a_wrong_access_file_is_one_clear_line(tmp_path: Path, text: str) -> None:
    """A mistake in the access file ends the start with its place, lest ports open that should be guarded."""
    file = tmp_path / "access.toml"
    file.write_text(text)
    environment = os.environ | {"JAEGERLITE_ACCESS_FILE": str(file), "JAEGERLITE_DATA_DIR": str(tmp_path / "data")}
    ended = subprocess.run(
        [sys.executable, "-m", "jaegerlite"], env=environment, capture_output=True, text=True, timeout=20, check=False
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "access.toml" in ended.stderr
