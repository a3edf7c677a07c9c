"""The examples of docs/market-data.md are true."""

import json
import re
from pathlib import Path

from services.market_data.checksum import checksum
from tests.market_client import FollowedBook

DOCS = (Path(__file__).parents[2] / "docs" / "market-data.md").read_text()


def test_the_documented_messages_lead_from_one_to_the_next() -> None:
    """Snapshot, update and heartbeat of the page fit together, their checksums too."""
    book = FollowedBook()
    messages = [json.loads(line) for line in re.findall(r'^\{"type": "(?:snapshot|update|heartbeat)".*$', DOCS, re.M)]
    assert [message["type"] for message in messages] == ["snapshot", "update", "heartbeat"]
    for message in messages:
        book.hear(message)
    assert book.side("bids") == [("150.00", "4", 1), ("149.99", "7", 1)]


def test_the_documented_checksum_is_the_exchanges() -> None:
    """The page's worked example, and that of an empty book, are what the exchange computes."""
    text, number, empty = re.findall(r"`(150[^`]+)`, CRC-32 (\d+)\. An empty book is `\|`, (\d+)", DOCS)[0]
    assert text == "150.00:4,149.99:7|151.00:5"
    assert checksum([(150_0000, 4), (149_9900, 7)], [(151_0000, 5)]) == int(number)
    assert checksum([], []) == int(empty)
