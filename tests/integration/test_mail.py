"""Mail over TLS to a real mail server of this test, whose certificate is its own."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from services.notification.mail import Mailer
from services.notification.settings import Settings
from services.notification.webhooks import UndeliveredError
from tests.certificates import certificate
from tests.services import service_settings

SECURITY = ("starttls", "tls")
PASSWORD = "correct horse"
OpenServer = Callable[..., AbstractAsyncContextManager["MailServer"]]


class MailServer:
    """Takes mail from who has the password. ``got`` is what came, each with how its connection was secured."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str]] = []
        self.passwords: list[str] = []
        self.port = 0

    def settings(self, security: str, **more: Any) -> Settings:
        given = {"smtp_username": "outcry", "smtp_password": PASSWORD} | more
        return service_settings(
            Settings,
            "postgresql://nowhere",
            "redis://nowhere",
            smtp_host="127.0.0.1",
            smtp_port=self.port,
            smtp_security=security,
            **given,
        )

    def authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, auth: Any) -> AuthResult:
        assert isinstance(auth, LoginPassword)
        self.passwords.append(auth.password.decode())
        return AuthResult(success=auth.password == PASSWORD.encode(), handled=False)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert server.transport is not None
        cipher = server.transport.get_extra_info("cipher") or ("", "none", 0)
        assert session.authenticated
        self.got.append((envelope.rcpt_tos[0], cipher[1]))
        return "250 OK"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The server's certificate and its key."""
    return certificate(tmp_path_factory.mktemp("mail"), "mail")


@pytest.fixture
def mail_server(made: tuple[Path, Path]) -> OpenServer:
    """Opens a mail server of that security; "none" offers no encryption at all."""

    @asynccontextmanager
    async def opened(security: str) -> AsyncIterator[MailServer]:
        server = MailServer()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*made)
        more: dict[str, Any] = {"tls": {"ssl_context": context}, "starttls": {"tls_context": context}}.get(security, {})
        controller = UnthreadedController(
            server,
            "127.0.0.1",
            0,
            loop=asyncio.get_running_loop(),
            authenticator=server.authenticate,
            auth_require_tls=security == "starttls",
            **more,
        )
        listening = await controller._create_server()
        assert isinstance(listening, asyncio.Server)
        server.port = listening.sockets[0].getsockname()[1]
        yield server
        listening.close()
        await listening.wait_closed()

    return opened


async def send(settings: Settings) -> None:
    await Mailer(settings).send("anna@mail.example.com", "Outcry: 1 trade", "Traded.\n")


@pytest.mark.parametrize("security", SECURITY)
async def test_mail_goes_encrypted_to_a_server_that_is_trusted(
    mail_server: OpenServer, made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, security: str
) -> None:
    """With STARTTLS and with TLS from the first byte; who brings a certificate of their own names it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(made[0]))
    async with mail_server(security) as server:
        await send(server.settings(security))
    [(address, version)] = server.got
    assert address == "anna@mail.example.com"
    assert version.startswith("TLSv1.")
    assert server.passwords == [PASSWORD]


@pytest.mark.parametrize("security", SECURITY)
async def test_a_server_that_is_not_trusted_gets_nothing(mail_server: OpenServer, security: str) -> None:
    """No mail and no password; the failure says why, and no address."""
    async with mail_server(security) as server:
        with pytest.raises(UndeliveredError, match=r"SSLCertVerificationError") as told:
            await send(server.settings(security))
    assert (server.got, server.passwords) == ([], [])
    assert "anna" not in str(told.value)


@pytest.mark.parametrize("security", SECURITY)
async def test_mail_never_falls_back_to_clear_text(
    mail_server: OpenServer, monkeypatch: pytest.MonkeyPatch, security: str
) -> None:
    """A server without encryption, or somebody in between who hides it, gets neither mail nor password."""
    monkeypatch.setattr("services.notification.mail.TIMEOUT_S", 1.0)  # it may as well say nothing
    async with mail_server("none") as server:
        with pytest.raises(UndeliveredError, match=r"the mail server can't be used"):
            await send(server.settings(security))
    assert (server.got, server.passwords) == ([], [])


async def test_a_wrong_password_is_told_as_the_servers_answer(
    mail_server: OpenServer, made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its code goes into the dead letter, so that somebody finds the setting that is wrong."""
    monkeypatch.setenv("SSL_CERT_FILE", str(made[0]))
    async with mail_server("starttls") as server:
        with pytest.raises(UndeliveredError, match=r"the mail server answered 535"):
            await send(server.settings("starttls", smtp_password="battery staple"))
    assert server.got == []
