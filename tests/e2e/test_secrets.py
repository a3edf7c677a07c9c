"""Secrets that clients send, wherever they send them, are in nothing that the exchange stores of itself."""

import contextlib
import secrets
from collections.abc import Iterable
from typing import Any

from websockets.sync.client import connect

from tests.e2e import stored
from tests.e2e.exchange import Exchange, User, eventually
from tests.e2e.test_retroactive_sampling import in_database

MARK = secrets.token_hex(5)
PASSWORD = f"pl4nted-pw-{MARK}"
NEW_PASSWORD = f"pl4nted-new-{MARK}"
TOKEN = f"pl4nted-token-{MARK}"
COOKIE = f"pl4nted-cookie-{MARK}"
LITERAL = f"pl4nted-literal-{MARK}"
HOOK = f"pl4nted-hook-{MARK}"
BASIC = f"cGw0bnRlZC1iYXNpYw{MARK}"
EMAIL = f"planted.{MARK}@example.org"
CARD, SPACED_CARD, NAMED = "4111111111111111", "5500 0000 0000 0004", "4012888888881881"
JWT = f"eyJhbGciOiJFZERTQSJ9{MARK}.eyJzdWIiOiJkZW1vIn0{MARK}.c2lnbmF0dXJl{MARK}"
PLANTED = {
    "a password": PASSWORD,
    "a new password": NEW_PASSWORD,
    "a token": TOKEN,
    "a cookie": COOKIE,
    "an SQL literal": LITERAL,
    "a webhook's credentials": HOOK,
    "basic credentials": BASIC,
    "an e-mail address": EMAIL,
    "a card number": CARD,
    "a card number with spaces": SPACED_CARD,
    "a card number as a client's name for an order": NAMED,
    "a JSON web token": JWT,
}
HARMLESS = f"harmless-{MARK}"
"""Planted beside the secrets: it must be found, or the search would prove nothing."""

OWN_PLACES = {
    "an e-mail address": ("user_service.", "notification."),
    "a webhook's credentials": ("notification.",),
    "a card number as a client's name for an order": ("order_manager.", "reporting.", "notification.", "valkey"),
}
"""Where it is the purpose to keep such a thing: tables, and events on their way to them."""


def plant(exchange: Exchange, user: User) -> str:
    """Sends the secrets in every place of a request; the trace id of the last one."""
    post, get = exchange.http.post, exchange.http.get
    for name, password in ((user.name, PASSWORD), (EMAIL, PASSWORD), (CARD, "x"), (JWT, "x")):
        post("/auth/login", json={"username": name, "password": password})
    for name in (f"p{MARK}", EMAIL, SPACED_CARD):
        post("/auth/register", json={"username": name, "password": PASSWORD, "email": EMAIL})
    post("/auth/reset-password", json={"username": user.name, "code": TOKEN, "new_password": NEW_PASSWORD})
    user.http.post("/auth/change-password", json={"password": PASSWORD, "new_password": NEW_PASSWORD})
    for body in (f'{{"password": "{PASSWORD}"', f'{{"username": 5, "password": "{PASSWORD}", "{EMAIL}": "{TOKEN}"}}'):
        post("/auth/login", content=body)
    for authorization in (f"Bearer {JWT}", f"Bearer {TOKEN}", f"Basic {BASIC}", TOKEN):
        get("/auth/me", headers={"Authorization": authorization})
    headers = {
        "Cookie": f"session={COOKIE}",
        "X-Api-Key": TOKEN,
        "User-Agent": f"{HARMLESS} {EMAIL} {CARD} {SPACED_CARD} Bearer {TOKEN} {JWT} password={PASSWORD}",
        "traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01",
        "tracestate": f"vendor={EMAIL},other={CARD}",
        "baggage": f"token={TOKEN},mail={EMAIL}",
        "Referer": f"http://here/?token={TOKEN}",
    }
    get("/marketdata/symbols", headers=headers)
    get("/marketdata/symbols", headers=headers | {"traceparent": f"Bearer {TOKEN}"})
    for query in ({"token": TOKEN, "password": PASSWORD}, {"symbol": f"' OR password = '{LITERAL}' --"}, {EMAIL: CARD}):
        user.http.get("/v1/orders", params=query)
        get("/marketdata/orderBook/L2", params=query)
        get("/nowhere", params=query)
    user.http.get("/v1/order", params={"client_order_id": EMAIL})
    user.http.get("/v1/order", params={"client_order_id": NAMED})
    user.placed(symbol="TSLA", quantity=1, price=200, client_order_id=NAMED)
    for path in (EMAIL, CARD, JWT, f"password={PASSWORD}"):
        get(f"/nowhere/{path}")
        user.http.get(f"/v1/order/{path}")
        user.http.delete(f"/v1/order/{path}")
        user.http.patch(f"/v1/order/{path}", json={"quantity": 2})
        user.http.get(f"/admin/users/{path}")
    user.order(symbol=EMAIL)
    user.order(symbol=JWT, side=f"password={PASSWORD}")
    user.http.post("/wallet/transfer", json={"to": EMAIL, "amount": 1})
    user.http.post("/wallet/add-funds", json={"asset": CARD, "amount": 1})
    plant_in_targets(user)
    plant_in_socket(exchange)
    # A request that fails halfway leaves an exception in spans and logs.
    with in_database(
        exchange,
        "ALTER TABLE user_service.users RENAME TO users_away",
        "ALTER TABLE user_service.users_away RENAME TO users",
    ):
        broken = post("/auth/register", json={"username": f"q{MARK}", "password": PASSWORD, "email": EMAIL})
        assert broken.status_code in (500, 503)
    return get("/marketdata/symbols").headers["X-Trace-Id"]


def plant_in_targets(user: User) -> None:
    """A webhook whose address has a password and a key, and an e-mail address; an order to tell both of."""
    user.http.post("/notifications/webhooks", json={"url": f"http://me:{HOOK}@127.0.0.1:9/hook?key={HOOK}"})
    user.http.post("/notifications/webhooks", json={"url": f"http://127.0.0.1:9/hook?key={HOOK}"})
    user.http.put("/notifications/email", json={"address": EMAIL, "kinds": ["order"]})
    user.http.post("/notifications/email/confirm", json={"code": TOKEN})
    user.placed(symbol="TSLA", quantity=1, price=200)


def plant_in_socket(exchange: Exchange) -> None:
    """The same in the handshake and in messages of the WebSocket."""
    url = exchange.url.replace("http", "ws") + f"/ws?token={TOKEN}"
    with connect(url, additional_headers={"Authorization": f"Bearer {JWT}", "Cookie": COOKIE}) as socket:
        for message in (f'{{"type": "auth", "token": "{JWT}"}}', f'{{"type": "{EMAIL}"}}', f"password={PASSWORD}"):
            with contextlib.suppress(Exception):
                socket.send(message)
                socket.recv(timeout=1)


def own_secrets(exchange: Exchange, user: User) -> dict[str, str]:
    """The exchange's own credentials, and a token that is in use."""
    kept: dict[str, Any] = exchange.secrets
    found = {name: value for name, value in kept.items() if isinstance(value, str)}
    for group, members in kept.items():
        if isinstance(members, dict):
            found |= {f"{group} {name}": value for name, value in members.items()}
    return found | {"the user's token": user.token}


def leaks(places: Iterable[stored.Place], needles: dict[str, str]) -> list[tuple[str, str, bytes]]:
    """Which secret was found where, with what is around it."""
    found = []
    for place, content in places:
        for name, needle in needles.items():
            at = content.find(needle.encode())
            if at >= 0 and not place.startswith(OWN_PLACES.get(name, ("-",))):
                found.append((place, name, content[max(0, at - 150) : at + 150]))
    return found


def test_secrets_are_in_nothing_that_is_stored(exchange: Exchange) -> None:
    """Traces, raw and over the API, logs, figures, Valkey, and tables that are not made for it hold no secret."""
    user = exchange.user(cash=1000)
    last = plant(exchange, user)
    assert eventually(lambda: exchange.spans(last), bool)
    needles = PLANTED | own_secrets(exchange, user)
    # Events do not stay in Valkey for long: a fresh one shows that it was looked into.
    user.placed(symbol="TSLA", quantity=1, price=200)
    looked_through = {
        '"traceparent":': (stored.valkey,),
        HARMLESS: (stored.traces_by_api, stored.traces_raw),
        '"event": "ready"': (stored.logs,),
        "outcry_http_request_seconds_bucket": (stored.figures,),
        user.name: (stored.tables,),
    }
    for known, readers in looked_through.items():
        for read in readers:
            places = list(read(exchange))
            assert any(known.encode() in content for _, content in places), read.__name__
            assert leaks(places, needles) == []
