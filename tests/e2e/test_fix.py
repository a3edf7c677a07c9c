"""Orders over FIX, by a client that counts its own sequence numbers; the audit is right in the end."""

from typing import Any

import pytest

from tests.e2e.exchange import Exchange, eventually
from tests.e2e.fix_client import PASSWORD, FixClient, Heard, logged_on, name, new_order, now
from tests.e2e.test_traces import RESTS, order_tree, whole
from tests.e2e.trees import tree

pytest.importorskip("quickfix", reason="the FIX gateway's engine is not installed: make fix")


def cancel(client: FixClient, cl_ord_id: str, **more: Any) -> str:
    """Asks for the end of an order; the ClOrdID of the request."""
    new = name()
    client.say("F", (11, new), (41, cl_ord_id), (55, "AMZN"), (54, 1), (60, now()), **more)
    return new


def replace(client: FixClient, cl_ord_id: str, quantity: int, price: str, kind: int = 2) -> str:
    new = name()
    client.say(
        *("G", (11, new), (41, cl_ord_id), (55, "AMZN"), (54, 1), (60, now())),
        *((38, quantity), (40, kind), (44, price)),
    )
    return new


def figures(report: Heard) -> tuple[str, ...]:
    """ExecType, OrdStatus, OrderQty, LeavesQty, CumQty."""
    return tuple(report[tag] for tag in (150, 39, 38, 151, 14))


def test_the_life_of_an_order(exchange: Exchange) -> None:
    """New, replaced, traded, looked at and cancelled: each has its report, and the API shows the same order."""
    user, other = exchange.user(cash=100_000), exchange.user(AMZN=100)
    with logged_on(exchange, user) as client:
        first = client.order()
        new = client.report(first, "0")
        assert figures(new) == ("0", "0", "10", "10", "0")
        second = replace(client, first, 12, "171.00")
        replaced = client.report(second, "5")
        assert (figures(replaced), replaced[41], replaced[44]) == (("5", "0", "12", "12", "0"), first, "171.00")
        other.placed(symbol="AMZN", side="SELL", quantity=5, price="171.00")
        traded = client.report(second, "F")
        assert figures(traded) == ("F", "1", "12", "7", "5")
        assert (traded[31], traded[32], traded[6], traded[851]) == ("171.00", "5", "171", "1")
        client.say("H", (11, second), (55, "AMZN"), (54, 1), (790, "look"))
        looked = client.report(second, "I")
        assert (figures(looked), looked[790]) == (("I", "1", "12", "7", "5"), "look")
        third = cancel(client, second)
        gone = client.report(third, "4")
        assert (figures(gone), gone[41], gone[37]) == (("4", "4", "12", "0", "5"), second, new[37])
        shown = user.get("/v1/order", client_order_id=first)
        assert (shown["order_id"], shown["status"], shown["filled_quantity"]) == (new[37], "CANCELLED", 5)
        client.log_out()


def test_an_order_that_trades_at_once(exchange: Exchange) -> None:
    """It is new, then traded with each resting order, then what is left of it is cancelled."""
    user, other = exchange.user(cash=100_000), exchange.user(AMZN=100)
    for quantity in (4, 3):
        other.placed(symbol="AMZN", side="SELL", quantity=quantity, price="172.00")
    with logged_on(exchange, user) as client:
        cl_ord_id = client.order(t44="172.00", t59=3)
        told = [figures(client.hear()) for _ in range(4)]
        assert told == [
            ("0", "0", "10", "10", "0"),
            ("F", "1", "10", "6", "4"),
            ("F", "1", "10", "3", "7"),
            ("4", "4", "10", "0", "7"),
        ]
        client.say("1", (112, "quiet"))
        assert client.hear()[35] == "0"  # nothing was told twice

    def filled() -> int:
        quantity: int = user.get("/v1/order", client_order_id=cl_ord_id)["filled_quantity"]
        return quantity

    assert eventually(filled, lambda quantity: quantity == 7) == 7


def test_an_order_has_a_whole_trace(exchange: Exchange) -> None:
    """Its message is the root; below it is the tree of any order. Nothing in it is the password."""
    user = exchange.user(cash=100_000)
    client = FixClient(exchange, user.name, "OUTCRY")
    assert client.log_on(user.name, PASSWORD, (9001, "Y"))[35] == "A"
    cl_ord_id = client.order()
    report = client.report(cl_ord_id, "0")
    heard = tree("notification notify_user", *RESTS[3][1], tree("redis publish_notification"))
    _, below = order_tree(*RESTS[:3], heard)
    way = tree("fix-gateway FIX NewOrderSingle", tree("client-gateway WS place", *below))
    whole(exchange, report[9002], way)  # published as long as the session listens
    client.close()
    (root,) = (span for span in exchange.spans(report[9002]) if span["service"] == "fix-gateway")
    found = root["attributes"]
    assert (found["span.kind"], found["fix.cl_ord_id"], found["order.id"]) == ("server", cl_ord_id, report[37])
    assert PASSWORD not in str(exchange.spans(report[9002]))


def test_what_is_refused_is_told_with_its_code(exchange: Exchange) -> None:
    """By the message that FIX has for it; the session lives on."""
    user = exchange.user(cash=1_000)
    with logged_on(exchange, user) as client:
        for changes, code, reason in (
            ({"t55": "NOPE"}, "unknown_symbol", "1"),
            ({"t38": 100}, "insufficient_funds", "3"),
            ({"t54": 5}, "invalid_side", "99"),
            ({"t44": "170.001"}, "price_off_tick", "99"),
        ):
            told = client.report(client.order(**changes), "8")
            assert (told[39], told[103], told[151]) == ("8", reason, "0"), told
            assert told[58].startswith(code), told
        client.say("F", (11, "x1"), (41, "never"), (55, "AMZN"), (54, 1), (60, now()))
        told = client.hear()
        assert (told[35], told[434], told[102], told[39]) == ("9", "1", "1", "8")
        first = client.order(t38=1)
        client.report(first, "0")
        new = replace(client, first, 1, "169.00", kind=4)
        told = client.hear()
        assert (told[35], told[11], told[434], told[58].split(":")[0]) == ("9", new, "2", "not_amendable")
        client.say("H", (11, "never"), (55, "AMZN"), (54, 1))
        told = client.hear()
        assert (told[150], told[39], told[103]) == ("I", "8", "5")
        client.say("B", (148, "news"), (33, 1), (58, "hello"))
        told = client.hear()
        assert (told[35], told[372], told[380]) == ("j", "B", "3")
        client.say("D", (11, name()), (55, "AMZN"), (54, 1), (38, "many"), (40, 2), (60, now()))
        told = client.hear()
        assert (told[35], told[371], told[373]) == ("3", "38", "6")
        client.say("q", (11, "all"), (530, 7), (60, now()))
        told = client.until(lambda heard: heard[35] == "r")
        assert (told[531], told[533]) == ("7", "1")
        client.report(first, "4")


def test_an_order_that_is_sent_again_is_placed_once(exchange: Exchange) -> None:
    """With PossResend its state is told, without it is refused, after a reconnect as before."""
    user = exchange.user(cash=100_000)
    with logged_on(exchange, user) as client:
        cl_ord_id = client.order()
        order_id = client.report(cl_ord_id, "0")[37]
        client.order(cl_ord_id, t97="Y")
        assert client.report(cl_ord_id, "I")[37] == order_id
        numbers = client.numbers
    with logged_on(exchange, user, numbers=numbers) as client:
        client.order(cl_ord_id, t97="Y")
        assert client.report(cl_ord_id, "I")[37] == order_id
        client.order(cl_ord_id)
        told = client.report(cl_ord_id, "8")
        assert (told[103], told[58].split(":")[0]) == ("6", "duplicate_cl_ord_id")
        client.send_raw(client.encode("D", new_order(cl_ord_id), 3, t43="Y", t122=now()))
        client.say("1", (112, "still here"))
        assert client.hear()[112] == "still here"
    assert len(user.get("/v1/orders")["orders"]) == 1


def test_who_can_not_be_served_is_told_why_and_touches_nothing(exchange: Exchange) -> None:
    """A wrong password, a stranger's name, a second logon; the owner's numbers are as they were."""
    user, stranger = exchange.user(), exchange.user()

    def refusal(sender: str, username: str, password: str, *more: tuple[int, Any]) -> str:
        client = FixClient(exchange, sender, "OUTCRY")
        told = client.log_on(username, password, *more)
        assert told[35] == "5", told
        assert client.is_closed()
        return told[58].split(":")[0]

    with logged_on(exchange, user) as client:
        assert refusal(user.name, user.name, PASSWORD) == "logged_on_already"
        numbers = client.numbers
    assert refusal(user.name, user.name, "wrong", (141, "Y")) == "invalid_credentials"
    assert refusal(user.name, stranger.name, PASSWORD, (141, "Y")) == "wrong_sender"
    assert refusal(user.name, "", "") == "credentials_required"
    assert refusal(user.name, user.name, PASSWORD, (55, "AAPL")) == "invalid_logon"
    early = FixClient(exchange, user.name, "OUTCRY")
    early.order()
    assert early.hear()[58].startswith("logon_required")
    with logged_on(exchange, user, numbers=numbers) as client:
        client.log_out()
    log = (exchange.home / "logs" / "fix-gateway.log").read_text()
    assert PASSWORD not in log


def test_numbers_that_are_missing_are_asked_for(exchange: Exchange) -> None:
    """Both sides ask for what they missed; orders come again marked as such, all else is a gap that is filled."""
    user = exchange.user(cash=100_000)
    with logged_on(exchange, user) as client:
        first = client.order()
        client.report(first, "0")
        client.say("1", (112, "one"))
        client.hear()
        second = client.order()
        client.report(second, "0")
        client.say("2", (7, 1), (16, 0))
        resent = [client.hear() for _ in range(4)]
        kinds = [(told[35], told[34], told.get(36), told.get(11)) for told in resent]
        assert kinds == [
            ("4", "1", "2", None),
            ("8", "2", None, first),
            ("4", "3", "4", None),
            ("8", "4", None, second),
        ]
        assert all(told[43] == "Y" for told in resent)
        client.own += 2  # lost on their way
        missed = client.order()
        asked = client.hear()
        assert (asked[35], asked[7]) == ("2", str(client.own - 3))
        client.say("4", (123, "Y"), (36, client.own - 1), number=client.own - 3, t43="Y", t122=now())
        assert client.report(missed, "0")[39] == "0"
        client.say("0", number=2)
        told = client.hear()
        assert (told[35], told[58].split(",")[0]) == ("5", "MsgSeqNum too low")
        assert client.is_closed()


def test_a_silent_client_is_asked_and_dropped(exchange: Exchange) -> None:
    """After its heartbeat interval it gets a TestRequest; without an answer the connection is closed."""
    user = exchange.user()
    client = FixClient(exchange, user.name, "OUTCRY")
    client.say("A", (98, 0), (108, 1), (553, user.name), (554, PASSWORD))
    assert client.hear()[35] == "A"
    assert client.until(lambda heard: heard[35] == "1")[112] == "TEST"
    assert client.is_closed()


def test_numbers_can_be_set(exchange: Exchange) -> None:
    """SequenceReset sets what comes next; ResetSeqNumFlag at logon begins again at 1."""
    user = exchange.user()
    with logged_on(exchange, user) as client:
        client.say("4", (123, "N"), (36, 50))
        client.own = 50
        client.say("1", (112, "fifty"))
        assert client.hear()[112] == "fifty"
    client = FixClient(exchange, user.name, "OUTCRY")
    told = client.log_on(user.name, PASSWORD, (141, "Y"))
    assert (told[35], told[34], told[141]) == ("A", "1", "Y")
    client.log_out()


def test_garbled_messages_are_passed_over(exchange: Exchange) -> None:
    """Garbage, a wrong checksum, a wrong length: none is answered, and the next good message is."""
    user = exchange.user(cash=100_000)
    with logged_on(exchange, user) as client:
        good = client.encode("1", [(112, "good")])
        client.own -= 1
        client.send_raw(b"GET / HTTP/1.1\r\n\r\n")
        client.send_raw(good[:-4] + (b"000\x01" if good[-4:-1] != b"000" else b"001\x01"))
        client.send_raw(good.replace(b"\x019=", b"\x019=x", 1))
        for byte in good:
            client.send_raw(bytes([byte]))
        client.own += 1
        assert client.hear()[112] == "good"
        client.send_raw(good[:20])
    assert exchange.ready()


def test_a_lost_connection_loses_no_report(exchange: Exchange) -> None:
    """What trades while the client is away is told after the next logon, and the numbers go on."""
    user, other = exchange.user(cash=100_000), exchange.user(AMZN=100)
    with logged_on(exchange, user) as client:
        stays = client.order(t44="173.00")
        client.report(stays, "0")
        numbers = client.numbers
    other.placed(symbol="AMZN", side="SELL", quantity=4, price="173.00")
    eventually(lambda: user.get("/v1/order", client_order_id=stays)["filled_quantity"], lambda found: found == 4)
    with logged_on(exchange, user, numbers=numbers) as client:
        assert figures(client.report(stays, "F")) == ("F", "1", "10", "6", "4")
        gone = cancel(client, stays)
        assert figures(client.report(gone, "4")) == ("4", "4", "10", "0", "4")


def test_sessions_survive_the_gateway(exchange: Exchange) -> None:
    """After ``kill -9`` the numbers go on, orders have their ClOrdIDs, and what was told can be asked for again."""
    user, other = exchange.user(cash=100_000), exchange.user(AMZN=100)
    with logged_on(exchange, user) as client:
        first = client.order(t44="174.00")
        order_id = client.report(first, "0")[37]
        second = replace(client, first, 8, "174.00")
        client.report(second, "5")
        exchange.kill("fix-gateway")
        assert client.is_closed()
        numbers = client.numbers
    other.placed(symbol="AMZN", side="SELL", quantity=2, price="174.00")
    eventually(lambda: can_connect(exchange), bool)
    with logged_on(exchange, user, numbers=numbers) as client:
        assert figures(client.report(second, "F")) == ("F", "1", "8", "6", "2")
        client.say("2", (7, 2), (16, 2))
        resent = client.hear()
        assert (resent[43], resent[11], resent[150]) == ("Y", first, "0")
        gone = cancel(client, second)
        assert client.report(gone, "4")[37] == order_id


def test_a_session_outlives_the_client_gateway(exchange: Exchange) -> None:
    """It stays logged on, is told what it missed, and goes on once the gateway is back."""
    user, other = exchange.user(cash=100_000), exchange.user(AMZN=100)
    with logged_on(exchange, user) as client:
        stays = client.order(t44="175.00")
        client.report(stays, "0")
        before = exchange.pid("client-gateway")
        exchange.kill("client-gateway")
        assert eventually(lambda: exchange.pid("client-gateway") not in (0, before) and exchange.ready(), bool)
        other.placed(symbol="AMZN", side="SELL", quantity=4, price="175.00")
        assert figures(client.report(stays, "F")) == ("F", "1", "10", "6", "4")
        gone = cancel(client, stays)
        assert figures(client.report(gone, "4")) == ("4", "4", "10", "0", "4")


def can_connect(exchange: Exchange) -> bool:
    """Whether the gateway listens again."""
    try:
        FixClient(exchange, "", "").close()
    except OSError:
        return False
    return True


def test_orders_end_with_the_connection_where_that_is_asked_for(exchange: Exchange) -> None:
    """Those that were placed over it, as soon as it is lost; others of the user stay."""
    user = exchange.user(cash=100_000)
    other = user.placed(symbol="AMZN", price="169.00")
    client = FixClient(exchange, user.name, "OUTCRY")
    assert client.log_on(user.name, PASSWORD, (9003, "Y"))[35] == "A"
    cl_ord_id = client.order()
    client.report(cl_ord_id, "0")
    numbers = client.numbers
    client.close()
    shown = eventually(
        lambda: user.get("/v1/order", client_order_id=cl_ord_id), lambda order: order["status"] == "CANCELLED"
    )
    assert shown["status"] == "CANCELLED"
    assert user.get(f"/v1/order/{other['order_id']}")["status"] == "OPEN"
    with logged_on(exchange, user, numbers=numbers) as client:
        assert client.report(cl_ord_id, "4")[58] == "cancelled"


def test_a_revoked_login_ends_the_session(exchange: Exchange) -> None:
    """With a token that opens nothing there is nothing to be had: the client is told so and logged out."""
    user = exchange.user(cash=100_000)
    with logged_on(exchange, user) as client:
        changed = user.http.post("/auth/change-password", json={"password": PASSWORD, "new_password": "a new horse"})
        assert changed.status_code == 200
        told = client.until(lambda heard: heard[35] == "5")
        assert told[58].startswith("token_revoked")
        assert client.is_closed()


def test_the_figures_tell_of_sessions_and_messages(exchange: Exchange) -> None:
    """``/metrics`` counts them, ``/ready`` knows the way to the gateway."""
    user = exchange.user(cash=100_000)
    url = f"http://127.0.0.1:{exchange.ports['FIX_GATEWAY_PORT']}"
    with logged_on(exchange, user) as client:
        client.report(client.order(), "0")
        shown = exchange.http.get(url + "/metrics").text
    assert 'outcry_fix_sessions{kind="orders"} 1.0' in shown
    assert 'outcry_fix_messages_total{direction="in",type="NewOrderSingle"}' in shown
    assert 'outcry_fix_request_seconds_bucket{le="+Inf",type="NewOrderSingle"}' in shown
    assert exchange.http.get(url + "/ready").json()["checks"] == {"client-gateway": "ok", "redis": "ok"}
    assert exchange.http.get(url + "/health").json()["service"] == "fix-gateway"


def test_the_money_is_right(exchange: Exchange) -> None:
    """After all of this the audit finds nothing."""
    found = exchange.audit()
    assert found["exit"] == 0, found
