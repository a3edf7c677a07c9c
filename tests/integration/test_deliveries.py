"""Webhooks and e-mail from notification to real receivers: an HTTP server and a mail server of this test."""

import asyncio
import base64
import hmac
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email import message_from_bytes
from typing import Any, TypeVar

import asyncpg
import pytest
from aiohttp import web
from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import SMTP, Envelope, Session

from services.notification.app import create_app
from services.notification.settings import Settings
from shared.contracts.codes import Side
from shared.contracts.deliveries import (
    ADD_WEBHOOK,
    CONFIRM_EMAIL,
    GET_EMAIL,
    LIST_DEAD_LETTERS,
    LIST_WEBHOOKS,
    REDELIVER,
    REMOVE_EMAIL,
    REMOVE_WEBHOOK,
    SET_EMAIL,
    DeadLetter,
    DeadLettersQuery,
    EmailCode,
    EmailWish,
    NewWebhook,
    Redelivery,
    TargetsOf,
    WebhookAdded,
    WebhookOf,
)
from shared.contracts.events import EXECUTIONS, EngineEvent
from shared.contracts.notifications import GET_NOTIFICATIONS, NotificationsQuery
from shared.contracts.operations import NOTIFICATION, Refused
from tests.fake_engine import closed, event, trade
from tests.services import RunningService, running, service_settings

ANNA, BEN = 1001, 1002
ADDRESS = "anna@mail.example.com"

MakeSettings = Callable[..., Settings]
T = TypeVar("T")


@pytest.fixture
def settings(database_url: Callable[[str], str], redis_url: str) -> MakeSettings:
    """Settings with short pauses; called again they lead to the same database."""
    url = database_url(NOTIFICATION)
    quick: dict[str, Any] = {"webhook_targets": "loopback", "delivery_backoff_s": 0.05, "email_every_s": 0}
    return lambda **more: service_settings(Settings, url, redis_url, **(quick | more))


class Receiver:
    """An HTTP server that keeps what it gets and answers ``status``, after ``delay_s``."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.delay_s = 0.0
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.got.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        await asyncio.sleep(self.delay_s)
        return web.Response(status=self.status, headers=self.headers)

    def messages(self) -> list[dict[str, Any]]:
        """All messages of all requests, in order."""
        return [message for _, body in self.got for message in json.loads(body)["messages"]]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield receiver
    await runner.cleanup()


class Mailbox:
    """A mail server that keeps what it gets, unless it is told to ``refuse``."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, str]] = []
        self.refuse = ""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content.replace(b"\r\n", b"\n"))
        self.got.append((envelope.rcpt_tos[0], mail["Subject"], mail.get_payload(decode=True).decode()))  # type: ignore[union-attr]
        return "250 OK"


@asynccontextmanager
async def mail_server(mailbox: Mailbox) -> AsyncIterator[dict[str, Any]]:
    """The settings that lead to it."""
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # it tells every command, with the address
    controller = UnthreadedController(mailbox, "127.0.0.1", 0, loop=asyncio.get_running_loop())
    server = await controller._create_server()
    assert isinstance(server, asyncio.Server)
    port = server.sockets[0].getsockname()[1]
    yield {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none"}
    server.close()
    await server.wait_closed()


async def eventually(look: Callable[[], Awaitable[T]], enough: Callable[[T], bool]) -> T:
    """What ``look`` finds once it is enough."""
    for _ in range(1000):
        found = await look()
        if enough(found):
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(f"never enough: {found}")


async def arrived(receiver: Receiver | Mailbox, count: int) -> None:
    async def look() -> int:
        return len(receiver.got)

    await eventually(look, lambda found: found >= count)


def sale(seq: int) -> EngineEvent:
    """Anna buys 4 from Ben: a trade for both, and Anna's order is filled."""
    return event(seq, trade(seq, (2, ANNA, 0), (1, BEN, 6), 90_0000, 4), closed(2, ANNA, Side.BUY), order_id=2)


async def hook(service: RunningService, url: str, *kinds: str, user_id: int = ANNA) -> WebhookAdded:
    return await service.answer(ADD_WEBHOOK, NewWebhook(user_id=user_id, url=url, kinds=kinds or ("trade", "order")))


async def letters(service: RunningService) -> tuple[DeadLetter, ...]:
    return (await service.answer(LIST_DEAD_LETTERS, DeadLettersQuery(user_id=ANNA))).letters


async def failures(service: RunningService) -> int:
    return (await service.answer(LIST_WEBHOOKS, TargetsOf(user_id=ANNA))).webhooks[0].failures


def code(answer: object) -> str:
    return answer.code if isinstance(answer, Refused) else ""


async def test_a_webhook_gets_what_the_socket_gets_signed(settings: MakeSettings, receiver: Receiver) -> None:
    """The receiver verifies it with the secret alone, finds its messages, and goes on with the delivery's trace."""
    async with running(create_app, settings()) as service:
        added = await hook(service, receiver.url)
        sold = sale(1)
        await service.send(EXECUTIONS, [sold])
        await arrived(receiver, 1)
        kept = await service.answer(GET_NOTIFICATIONS, NotificationsQuery(user_id=ANNA, position=1))
        headers, body = receiver.got[0]
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        key = base64.b64decode(added.secret.removeprefix("whsec_"))
        expected = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
        assert hmac.compare_digest(headers["webhook-signature"], expected)
        messages = json.loads(body)["messages"]
        assert [(m["type"], m["seq"]) for m in messages] == [("trade", 1), ("order", 1)]
        assert [m["order_id"] for m in messages] == [m.order_id for m in kept.messages]
    spans = service.spans.of_trace(headers["traceparent"])
    (span,) = [span for span in spans if span.name == "deliver_webhook"]
    assert f"{span.context.span_id:016x}" == headers["traceparent"].split("-")[2]
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [sold.traceparent.split("-")[1]]
    assert (span.attributes or {})["http.response.status_code"] == 200
    assert "INSERT delivery" in [span.name for span in service.spans.of_trace(sold.traceparent)]
    assert receiver.url not in service.spans.everything()
    assert added.secret not in service.spans.everything()


async def test_only_the_kinds_that_were_chosen_arrive(settings: MakeSettings, receiver: Receiver) -> None:
    """A webhook for orders hears of no trade, and nobody hears of another user's."""
    async with running(create_app, settings()) as service:
        await hook(service, receiver.url, "order")
        await hook(service, receiver.url + "/ben", "amended", user_id=BEN)
        await service.send(EXECUTIONS, [sale(1)])
        await arrived(receiver, 1)
        await service.reached(EXECUTIONS, 1)
    assert [m["type"] for m in receiver.messages()] == ["order"]


async def test_a_failure_is_tried_again_as_the_same_request(settings: MakeSettings, receiver: Receiver) -> None:
    """Until the receiver takes it: same id, same body, a signature of its own each time; then the rest in order."""
    receiver.status = 500
    async with running(create_app, settings()) as service:
        await hook(service, receiver.url, "trade")
        await service.send(EXECUTIONS, [sale(1)])
        await arrived(receiver, 2)
        await service.send(EXECUTIONS, [sale(2), sale(3)], after=1)
        await service.reached(EXECUTIONS, 3)
        receiver.status = 204
        await eventually(lambda: failures(service), lambda found: found == 0)
        await eventually(_seqs(receiver), lambda seqs: 3 in seqs)
    ids = [headers["webhook-id"] for headers, _ in receiver.got]
    same = [body for headers, body in receiver.got if headers["webhook-id"] == ids[0]]
    assert len(same) >= 3
    assert len(set(same)) == 1
    unique = list(dict.fromkeys(m["seq"] for m in receiver.messages()))
    assert unique == [1, 2, 3]


def _seqs(receiver: Receiver) -> Callable[[], Awaitable[list[int]]]:
    async def look() -> list[int]:
        return [m["seq"] for m in receiver.messages()]

    return look


async def test_what_can_not_be_delivered_is_a_dead_letter(settings: MakeSettings, receiver: Receiver) -> None:
    """It can be read, with why, and sent on its way again: one by its number, or all there are."""
    receiver.status = 503
    async with running(create_app, settings(delivery_retry_s=0.3)) as service:
        await hook(service, receiver.url, "trade")
        await service.send(EXECUTIONS, [sale(1), sale(2)])
        newest, oldest = await eventually(lambda: letters(service), lambda found: len(found) == 2)
        assert (oldest.seq, oldest.error, oldest.channel) == (1, "answered 503", "webhook")
        assert oldest.attempts >= 1
        assert [m["type"] for m in json.loads(bytes(oldest.messages))] == ["trade"]
        receiver.status = 200
        receiver.got.clear()
        one = Redelivery(user_id=ANNA, delivery_id=oldest.delivery_id)
        assert code(await service.call(REDELIVER, Redelivery(user_id=BEN, delivery_id=oldest.delivery_id)))
        assert (await service.answer(REDELIVER, one)).count == 1
        await eventually(_seqs(receiver), lambda seqs: seqs == [1])
        assert code(await service.call(REDELIVER, one)) == "delivery_not_found"
        assert (await service.answer(REDELIVER, Redelivery(user_id=ANNA))).count == 1
        await eventually(_seqs(receiver), lambda seqs: seqs == [1, 2])
        assert await eventually(lambda: letters(service), lambda found: not found) == ()
    assert newest.seq == 2


async def test_what_waits_survives_a_restart(settings: MakeSettings, receiver: Receiver) -> None:
    """A service that ends before it could deliver does so when it starts again."""
    receiver.status = 500
    async with running(create_app, settings()) as service:
        await hook(service, receiver.url, "trade")
        await service.send(EXECUTIONS, [sale(1)])
        await arrived(receiver, 1)
    receiver.status = 200
    receiver.got.clear()
    async with running(create_app, settings()):
        await eventually(_seqs(receiver), lambda seqs: seqs == [1])


async def test_a_slow_receiver_keeps_nobody_waiting(settings: MakeSettings, receiver: Receiver) -> None:
    """While one webhook takes its time, events are followed and others are told; then it gets the rest together."""
    receiver.delay_s = 1.0
    quick = Receiver()
    app = web.Application()
    app.router.add_post("/", quick.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    async with running(create_app, settings()) as service:
        await hook(service, receiver.url, "trade")
        await hook(service, f"http://127.0.0.1:{port}/", "trade", user_id=BEN)
        await service.send(EXECUTIONS, [sale(1)])
        await arrived(receiver, 1)
        await service.send(EXECUTIONS, [sale(seq) for seq in range(2, 42)], after=1)
        await service.reached(EXECUTIONS, 41)
        await eventually(_seqs(quick), lambda seqs: 41 in seqs)
        assert len(receiver.got) == 1
        await eventually(_seqs(receiver), lambda seqs: seqs == list(range(1, 42)))
    assert len(receiver.got) <= 3
    await runner.cleanup()


async def test_redirects_are_not_followed(settings: MakeSettings, receiver: Receiver) -> None:
    """A receiver that sends us elsewhere has not taken the delivery, and elsewhere is not asked."""
    receiver.status, receiver.headers = 307, {"Location": receiver.url + "/elsewhere"}
    async with running(create_app, settings(delivery_retry_s=0.2)) as service:
        await hook(service, receiver.url, "trade")
        await service.send(EXECUTIONS, [sale(1)])
        (letter,) = await eventually(lambda: letters(service), lambda found: len(found) == 1)
    assert letter.error == "answered 307"
    assert len(receiver.got) == letter.attempts


async def test_nothing_leaves_for_this_machine_unless_allowed(settings: MakeSettings, receiver: Receiver) -> None:
    """By default neither a name nor an address of this machine can be registered, nor is an old one still used."""
    async with running(create_app, settings()) as service:
        await hook(service, receiver.url, "trade")
    async with running(create_app, settings(webhook_targets="public", delivery_retry_s=0.2)) as service:
        for url in ("https://localhost/", "https://127.0.0.1/", "https://[::1]/", "https://10.1.2.3/"):
            refused = await service.call(ADD_WEBHOOK, NewWebhook(user_id=ANNA, url=url, kinds=("trade",)))
            assert code(refused) == "webhook_target_refused", url
        await service.send(EXECUTIONS, [sale(1)])
        (letter,) = await eventually(lambda: letters(service), lambda found: len(found) == 1)
    assert letter.error == "its address is not a public one"
    assert receiver.got == []


async def test_webhooks_are_limited_and_can_be_removed(settings: MakeSettings, receiver: Receiver) -> None:
    """A user has so many at most, and removes their own only, with what waits for it."""
    receiver.status = 500
    async with running(create_app, settings(webhooks_per_user_max=2)) as service:
        wanted = NewWebhook(user_id=ANNA, url=receiver.url, kinds=("trade",))
        answers = [await service.calls(ADD_WEBHOOK, [wanted] * 2) for _ in range(2)]
        refusals = sorted(code(answer) for pair in answers for answer in pair)
        assert refusals == ["", "", "too_many_webhooks", "too_many_webhooks"]
        first, second = (await service.answer(LIST_WEBHOOKS, TargetsOf(user_id=ANNA))).webhooks
        await service.send(EXECUTIONS, [sale(1)])
        await arrived(receiver, 2)
        not_mine = WebhookOf(user_id=BEN, webhook_id=first.webhook_id)
        assert code(await service.call(REMOVE_WEBHOOK, not_mine)) == "webhook_not_found"
        for webhook in (first, second):
            await service.answer(REMOVE_WEBHOOK, WebhookOf(user_id=ANNA, webhook_id=webhook.webhook_id))
        assert (await service.answer(LIST_WEBHOOKS, TargetsOf(user_id=ANNA))).webhooks == ()
        database = await asyncpg.connect(settings().database_url.get_secret_value())
        assert await database.fetchval("SELECT count(*) FROM notification.deliveries") == 0
        await database.close()


async def test_email_is_confirmed_and_then_told(settings: MakeSettings) -> None:
    """An address gets a code and nothing else until that came back; then the kinds that were chosen, in one mail."""
    mailbox = Mailbox()
    async with mail_server(mailbox) as server, running(create_app, settings(**server)) as service:
        wish = EmailWish(user_id=ANNA, address=ADDRESS, kinds=("trade",))
        assert not (await service.answer(SET_EMAIL, wish)).confirmed
        await arrived(mailbox, 1)
        await service.send(EXECUTIONS, [sale(1)])
        await service.reached(EXECUTIONS, 1)
        to, subject, text = mailbox.got[0]
        assert (to, subject) == (ADDRESS, "Outcry: confirm your address")
        (sent,) = re.findall(r"^ {4}(\S+)$", text, re.MULTILINE)
        assert code(await service.call(CONFIRM_EMAIL, EmailCode(user_id=BEN, code=sent))) == "invalid_code"
        assert code(await service.call(CONFIRM_EMAIL, EmailCode(user_id=ANNA, code="x"))) == "invalid_code"
        assert (await service.answer(CONFIRM_EMAIL, EmailCode(user_id=ANNA, code=sent))).confirmed
        await service.send(EXECUTIONS, [sale(2)], after=1)
        await arrived(mailbox, 2)
        to, subject, text = mailbox.got[1]
        assert (to, subject) == (ADDRESS, "Outcry: 1 trade")
        assert "Traded (taker): 4 at 90.00" in text
        assert "FILLED" not in text
        both = await service.answer(SET_EMAIL, EmailWish(user_id=ANNA, address=ADDRESS, kinds=("trade", "order")))
        assert both.confirmed
        await service.send(EXECUTIONS, [sale(3)], after=2)
        await arrived(mailbox, 3)
        assert mailbox.got[2][1] == "Outcry: 1 trade, 1 order"
        await service.answer(REMOVE_EMAIL, TargetsOf(user_id=ANNA))
        assert code(await service.call(GET_EMAIL, TargetsOf(user_id=ANNA))) == "email_not_set"
        recorded = service.spans.everything()
    assert "deliver_email" in recorded
    assert ADDRESS not in recorded


async def test_an_address_is_never_told_to_others(settings: MakeSettings, capfd: pytest.CaptureFixture[str]) -> None:
    """A mail server that refuses the recipient leaves no trace of the address in spans, logs or errors."""
    mailbox = Mailbox()
    mailbox.refuse = f"550 no such user {ADDRESS}"
    async with (
        mail_server(mailbox) as server,
        running(create_app, settings(**server, delivery_retry_s=0.2)) as service,
    ):
        await service.answer(SET_EMAIL, EmailWish(user_id=ANNA, address=ADDRESS, kinds=("trade",)))
        (letter,) = await eventually(lambda: letters(service), lambda found: len(found) == 1)
        recorded = service.spans.everything()
    assert (letter.channel, letter.error) == ("email", "the mail server refused the recipient")
    assert bytes(letter.messages) == b"[]", "a code is for the reader of the mail alone"
    logged = capfd.readouterr()
    assert ADDRESS not in recorded + logged.out + logged.err


async def test_mails_are_gathered(settings: MakeSettings) -> None:
    """A user gets no second mail within the set time: what happens meanwhile is in the next one, together."""
    mailbox = Mailbox()
    async with mail_server(mailbox) as server, running(create_app, settings(**server, email_every_s=1)) as service:
        await service.answer(SET_EMAIL, EmailWish(user_id=ANNA, address=ADDRESS, kinds=("trade",)))
        await arrived(mailbox, 1)
        (sent,) = re.findall(r"^ {4}(\S+)$", mailbox.got[0][2], re.MULTILINE)
        await service.answer(CONFIRM_EMAIL, EmailCode(user_id=ANNA, code=sent))
        await service.send(EXECUTIONS, [sale(1)])
        await arrived(mailbox, 2)
        for seq in (2, 3, 4):
            await service.send(EXECUTIONS, [sale(seq)], after=seq - 1)
            await service.reached(EXECUTIONS, seq)
        await arrived(mailbox, 3)
    assert [subject for _, subject, _ in mailbox.got[1:]] == ["Outcry: 1 trade", "Outcry: 3 trades"]


async def test_without_a_mail_server_there_is_no_email(settings: MakeSettings) -> None:
    """Whoever asks for e-mail then is told so at once."""
    async with running(create_app, settings()) as service:
        wish = EmailWish(user_id=ANNA, address=ADDRESS, kinds=("trade",))
        assert code(await service.call(SET_EMAIL, wish)) == "email_unavailable"
