"""What ``/docs`` shows: all there is, true, and without a word from anywhere else."""

import re
from typing import Any

from tests.e2e.exchange import Exchange

PUBLIC = {"/auth/register", "/auth/login", "/auth/reset-password"}


def operations(exchange: Exchange) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of all that clients may call; health and figures are for machines."""
    paths: dict[str, dict[str, Any]] = exchange.http.get("/openapi.json").json()["paths"]
    return [
        (method, path, said)
        for path, methods in paths.items()
        for method, said in methods.items()
        if "health" not in said["tags"]
    ]


def test_the_page_needs_no_network(exchange: Exchange) -> None:
    """Whatever the page of the API loads comes from the exchange itself."""
    page = exchange.http.get("/docs").text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len([url for url in loaded if url.startswith("/docs/assets/")]) == 2, loaded
    assert "https://" not in page
    for url in loaded:
        if url.startswith("/"):
            assert exchange.http.get(url).status_code == 200, url


def test_every_route_says_what_it_takes_and_how_it_refuses(exchange: Exchange) -> None:
    """The parts of a path are parameters, a problem is what goes wrong, and each has a name that programs can use."""
    found = operations(exchange)
    assert len(found) > 70
    assert len({said["operationId"] for _, _, said in found}) == len(found)
    for method, path, said in found:
        named = [p["name"] for p in said["parameters"] if p["in"] == "path"]
        assert named == re.findall(r"{(\w+)}", path), (method, path)
        assert list(said["responses"]["default"]["content"]) == ["application/problem+json"], (method, path)
        assert re.fullmatch(r"[A-Z][^/]+", said["summary"]), (method, path, said["summary"])


def test_a_route_asks_for_a_token_where_it_says_so(exchange: Exchange) -> None:
    """What is marked as needing a token answers 401 without one; what is not is open."""
    for method, path, said in operations(exchange):
        is_open = path in PUBLIC or path.startswith("/marketdata/")
        assert ("security" not in said) == is_open, (method, path)
        answer = exchange.http.request(method, path.format_map(dict.fromkeys(re.findall(r"{(\w+)}", path), "1")))
        assert (answer.status_code == 401) == ("security" in said), (method, path, answer.text)
