"""``outcry trace ID``: one trace as a tree in the terminal, in the words of the guide: who, what, how long."""

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from outcry import http
from outcry.settings import Settings

SHOWN = ("order.status", "order.symbol", "order.side", "order.quantity", "order.price", "refusal.code", "error.code")
"""Attributes that tell the order's story; the explorer shows all of them."""


@dataclass(frozen=True)
class Span:
    """What the terminal shows of a span. Times in microseconds."""

    span_id: str
    parent_id: str
    name: str
    start_us: int
    duration_us: int
    failed: bool
    details: str


def show(settings: Settings, trace_id: str) -> int:
    """Prints the trace. 0 when it is there, 1 when not."""
    console = Console(highlight=False)
    base = f"http://127.0.0.1:{settings.jaegerlite_query_port}"
    try:
        status, body = asyncio.run(http.request("GET", f"{base}/api/traces/{trace_id}"))
    except OSError:
        console.print(f"No trace backend answers at {base}. Is the exchange running? (outcry status)")
        return 1
    if status != 200:
        console.print(f"There is no trace {trace_id} (a new one takes about a second to arrive).")
        return 1
    spans = read(json.loads(body)["data"][0])
    start_us = min(span.start_us for span in spans)
    for tree in trees(spans, start_us):
        console.print(tree)
    console.print(f"\n{len(spans)} spans · {base}/trace/{trace_id}", style="dim")
    return 0


def read(trace: dict[str, Any]) -> list[Span]:
    """The spans of a trace in Jaeger's JSON."""
    spans = []
    for span in trace["spans"]:
        tags = {tag["key"]: tag["value"] for tag in span["tags"]}
        service = tags.get("peer.service") or trace["processes"][span["processID"]]["serviceName"]
        parents = [ref["spanID"] for ref in span["references"] if ref["refType"] == "CHILD_OF"]
        details = " ".join(str(tags[key]) for key in SHOWN if key in tags)
        spans.append(
            Span(
                span_id=span["spanID"],
                parent_id=parents[0] if parents else "",
                name=f"{service}: {span['operationName']}",
                start_us=span["startTime"],
                duration_us=span["duration"],
                failed=bool(tags.get("error")),
                details=details,
            )
        )
    return spans


def trees(spans: list[Span], start_us: int) -> list[Tree]:
    """Spans below their parents, in order of their start. One whose parent is missing is a tree of its own."""
    known = {span.span_id for span in spans}
    below: dict[str, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: span.start_us):
        below[span.parent_id if span.parent_id in known else ""].append(span)

    def grow(tree: Tree, span: Span) -> None:
        for child in below[span.span_id]:
            grow(tree.add(_line(child, start_us)), child)

    roots = []
    for span in below[""]:
        root = Tree(_line(span, start_us), guide_style="dim")
        grow(root, span)
        roots.append(root)
    return roots


def _line(span: Span, start_us: int) -> Text:
    line = Text(span.name, style="bold red" if span.failed else "")
    line.append(f"  {span.duration_us / 1000:.2f} ms", style="cyan")
    line.append(f"  at {(span.start_us - start_us) / 1000:.2f} ms  {span.details}", style="dim")
    return line
