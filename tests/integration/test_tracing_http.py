"""The HTTP client of the exporters, against servers that answer in all the ways that HTTP allows, and in others."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from shared.tracing.destinations import OTLP_HTTP, Destination
from shared.tracing.http_sender import HttpSender, request_head
from shared.tracing.outlet import Later, Rejected

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers each request with the next of some bytes; None closes the connection instead. `connections` counts."""

    def __init__(self, answers: Sequence[bytes | None]) -> None:
        self.answers = list(answers)
        self.bodies: list[bytes] = []
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while self.answers:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection, connection.makefile("rb") as lines:
                while self.answers and (length := self._length(lines)) is not None:
                    self.bodies.append(lines.read(length))
                    answer = self.answers.pop(0)
                    if answer is None:
                        break
                    connection.sendall(answer)

    @staticmethod
    def _length(lines: Iterator[bytes]) -> int | None:
        length = None
        for line in lines:
            if line == b"\r\n":
                return length
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return None


@contextmanager
def serving(*answers: bytes | None) -> Iterator[tuple[Server, HttpSender]]:
    """A server with these answers, and a sender to it."""
    server = Server(answers)
    port = server.listener.getsockname()[1]
    sender = HttpSender(Destination(OTLP_HTTP, f"http://127.0.0.1:{port}/v1/traces", timeout_s=5.0), "text/plain")
    try:
        yield server, sender
    finally:
        sender.close()
        server.listener.close()


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    ],
)
def test_answers_of_every_form_are_read(answer: bytes) -> None:
    """A length, chunks, an interim answer before it, an end of the connection behind it."""
    with serving(answer, answer) as (server, sender):
        assert sender.post(b"one") == b"ok"
        assert sender.post(b"two") == b"ok"
        assert server.bodies == [b"one", b"two"]
        assert server.connections == (2 if b"close" in answer else 1)


def test_a_connection_that_was_closed_meanwhile_is_opened_again() -> None:
    """A body that met a closing connection is sent once more, over a fresh one."""
    with serving(OK, None, OK) as (server, sender):
        sender.post(b"one")
        assert sender.post(b"two") == b"ok"
        assert (server.bodies, server.connections) == ([b"one", b"two", b"two"], 2)


@pytest.mark.parametrize(("answer", "error"), [(b"SSH-2.0-OpenSSH_9.7\r\n", ConnectionError), (None, ConnectionError)])
def test_what_is_no_answer_is_an_error(answer: bytes | None, error: type[Exception]) -> None:
    """Something that speaks another protocol, or says nothing, is a backend that is away."""
    with serving(answer) as (_, sender), pytest.raises(error):
        sender.post(b"one")


def test_statuses_say_whether_to_try_again() -> None:
    """503 means later, with the time it asks for; 400 and a redirection mean never."""
    later = b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
    never = b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n"
    moved = b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"
    with serving(later, never, moved) as (server, sender):
        with pytest.raises(Later) as caught:
            sender.post(b"one")
        assert caught.value.after_s == 7
        for _ in range(2):
            with pytest.raises(Rejected):
                sender.post(b"two")
        assert server.connections == 1


def test_an_answer_that_does_not_end_is_given_up() -> None:
    """A backend that stays silent costs the timeout and no more."""
    with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", OK) as (server, _):
        port = server.listener.getsockname()[1]
        quick = HttpSender(Destination(OTLP_HTTP, f"http://127.0.0.1:{port}/", timeout_s=0.2), "text/plain")
        with pytest.raises(TimeoutError):
            quick.post(b"one")
        quick.close()


def test_the_head_of_a_request_is_what_the_address_says() -> None:
    """Path and query are asked for, credentials of the address stay here, and no header can bring in another line."""
    head = request_head("http://user:secret@host:4318/v1/traces?a=b", {"x-tenant": "one"})
    assert head == b"POST /v1/traces?a=b HTTP/1.1\r\nHost: host:4318\r\nx-tenant: one\r\nContent-Length: "
    with pytest.raises(ValueError, match="line break"):
        request_head("http://host/", {"x-tenant": "one\r\nx-admin: yes"})
