"""Starting jaegerlite with what it cannot use: one line that says what and why, and nothing is left behind."""

import sys
from pathlib import Path

import pytest

from jaegerlite.__main__ import main

PORTS = ("otlp-grpc", "otlp-http", "jaeger-compact", "jaeger-binary", "jaeger-http", "zipkin", "sampling")


def _start(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    quiet = [word for port in PORTS for word in (f"--{port}-port", "0")]
    monkeypatch.setattr(sys, "argv", ["jaegerlite", *quiet, *arguments])
    return main()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--data", "{}/file/data"], "/file/data cannot be used: "),
        (["--data", "{}/broken"], "is not a valid DuckDB database file"),
        (["--data", "{}/d", "--tls-cert-file", "{}/none", "--tls-key-file", "{}/none"], "No such file or directory"),
        (["--data", "{}/d", "--tls-cert-file", "{}/file", "--tls-key-file", "{}/file"], "they are no PEM"),
        (["--data", "{}/d", "--host", "192.0.2.1", "--query-port", "1234"], "cannot listen on 192.0.2.1:1234"),
        (["--data", "{}/d", "--alert-rules", "{}/none"], "/none: [Errno 2] No such file or directory"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: list[str],
    text: str,
) -> None:
    """A folder, a certificate, an address or a file that is no good ends the start with its name and the reason."""
    (tmp_path / "file").write_text("no certificate")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "spans.duckdb").write_bytes(b"no database" * 1000)
    assert _start(monkeypatch, *(one.format(tmp_path) for one in arguments)) == 1
    told = capsys.readouterr().err.strip().splitlines()
    assert told[-1].startswith("jaegerlite: ")
    assert text in told[-1]


@pytest.mark.parametrize("command", ["backup", "restore", "rules", "token", "password"])
def test_each_command_explains_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """`--help` of each command that the help of the program names says what it does, and does nothing."""
    monkeypatch.setattr(sys, "argv", ["jaegerlite", command, "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert f"usage: jaegerlite {command}" in capsys.readouterr().out
