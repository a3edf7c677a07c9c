"""Where users may be told: URLs, addresses, signatures, and when to try again."""

import pytest

from services.notification.targets import (
    BACKOFF_MAX_S,
    Reach,
    address_fault,
    backoff_s,
    kinds_fault,
    may_reach,
    message_id,
    new_secret,
    signature,
    url_fault,
)


def test_signature_is_that_of_the_standard() -> None:
    """The test vector of the Standard Webhooks specification comes out."""
    signed = signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_secrets_differ_and_ids_name_their_deliveries() -> None:
    """No two webhooks share a secret; the same deliveries have the same id, others another."""
    assert new_secret() != new_secret()
    assert message_id([1, 2, 3]) == message_id([1, 2, 3])
    assert len({message_id(ids) for ids in ([1], [1, 2], [12], [2, 1])}) == 4


@pytest.mark.parametrize(
    ("address", "public", "loopback"),
    [
        ("93.184.215.14", True, True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True, True),
        ("127.0.0.1", False, True),
        ("127.8.8.8", False, True),
        ("::1", False, True),
        ("::ffff:127.0.0.1", False, True),
        ("10.0.0.1", False, False),
        ("172.16.5.5", False, False),
        ("192.168.1.1", False, False),
        ("169.254.169.254", False, False),
        ("100.64.0.1", False, False),
        ("0.0.0.0", False, False),
        ("255.255.255.255", False, False),
        ("224.0.0.1", False, False),
        ("::", False, False),
        ("fe80::1%eth0", False, False),
        ("fd00::1", False, False),
        ("ff02::1", False, False),
        ("::ffff:10.0.0.1", False, False),
        ("2002:0a00:0001::1", False, False),  # 6to4 of 10.0.0.1
        ("64:ff9b::a00:1", False, False),  # NAT64 of 10.0.0.1
        ("64:ff9b::5db8:d70e", True, True),  # NAT64 of 93.184.215.14
    ],
)
def test_only_addresses_in_reach_are_reached(address: str, public: bool, loopback: bool) -> None:
    """By default the public internet, on request this machine, however an address is written."""
    assert (may_reach(address, "public"), may_reach(address, "loopback")) == (public, loopback)
    assert may_reach(address, "any")


@pytest.mark.parametrize(
    ("url", "reach", "code"),
    [
        ("https://example.com/hook?key=1", "public", None),
        ("https://93.184.215.14:8443/", "public", None),
        ("http://example.com/", "public", "invalid_url"),
        ("http://example.com/", "loopback", "invalid_url"),
        ("http://example.com/", "any", None),
        ("http://localhost:9000/x", "loopback", None),
        ("http://127.0.0.1:9000/x", "loopback", None),
        ("http://[::1]:9000/x", "loopback", None),
        ("http://127.0.0.1:9000/x", "public", "invalid_url"),
        ("https://127.0.0.1/", "public", "webhook_target_refused"),
        ("https://[::ffff:10.0.0.1]/", "loopback", "webhook_target_refused"),
        ("https://169.254.169.254/latest", "loopback", "webhook_target_refused"),
        ("ftp://example.com/", "any", "invalid_url"),
        ("example.com", "any", "invalid_url"),
        ("https://", "any", "invalid_url"),
        ("", "any", "invalid_url"),
        ("https://user:pass@example.com/", "any", "invalid_url"),
        ("https://example.com/#part", "any", "invalid_url"),
        ("https://example.com/a b", "any", "invalid_url"),
        ("https://example.com\\@127.0.0.1/", "any", "invalid_url"),
        ("https://exämple.com/", "any", "invalid_url"),
        ("https://example.com:99999/", "any", "invalid_url"),
        ("https://[::1/", "any", "invalid_url"),
        ("https://example.com/" + "x" * 2048, "any", "invalid_url"),
        ("https://example.com/\r\nHost: x", "any", "invalid_url"),
    ],
)
def test_a_url_is_judged(url: str, reach: Reach, code: str | None) -> None:
    """What can be no webhook is refused when it is registered, each with its code."""
    fault = url_fault(url, reach)
    assert (fault.code if fault else None) == code


@pytest.mark.parametrize("address", ["a@b.co", "first.last+tag@mail.example.com"])
def test_addresses_that_can_be(address: str) -> None:
    """Ordinary addresses pass."""
    assert address_fault(address) is None


@pytest.mark.parametrize(
    "address",
    ["", "a", "a@b", "a b@c.de", "a@c.de\r\nBcc: x@y.zz", "a@c.de,x@y.zz", "<a@c.de>", "a@" + "x" * 260 + ".de"],
)
def test_addresses_that_can_not_be(address: str) -> None:
    """Neither nonsense nor a second recipient or header gets through."""
    fault = address_fault(address)
    assert fault is not None
    assert fault.code == "invalid_email"


def test_kinds_are_those_of_the_socket() -> None:
    """Any of them, but not none and none that do not exist."""
    assert kinds_fault(("trade", "order", "trade")) is None
    assert kinds_fault(()) is not None
    assert kinds_fault(("trade", "gossip")) is not None


def test_pauses_double_and_end() -> None:
    """Each pause is twice the last, half of it by chance, and none is longer than the longest."""
    assert [backoff_s(n, 1, 1.0) for n in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert [backoff_s(n, 1, 0.0) for n in (1, 2, 3, 4)] == [0.5, 1, 2, 4]
    assert backoff_s(10_000, 1, 1.0) == BACKOFF_MAX_S
