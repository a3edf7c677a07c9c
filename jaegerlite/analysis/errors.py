"""The first error of a trace, and what it brought down."""

from collections.abc import Iterator

from jaegerlite.analysis.finding import Finding, ms
from jaegerlite.analysis.tree import Node, Tree


def first_error(tree: Tree) -> Iterator[Finding]:
    """The failed span that failed first and has no failed span below it, with all above it that failed with it."""
    failed = [node for node in tree.timed(tree.nodes) if node.failed]
    origins = [node for node in failed if not any(child.failed for child in node.children)]
    if not origins:
        return
    origin = min(origins, key=lambda node: node.end_ns)
    brought_down: list[Node] = []
    above = origin.parent
    while above is not None and above.failed:
        brought_down.append(above)
        above = above.parent
    top = brought_down[-1] if brought_down else origin
    others = len(origins) - 1
    reason = reason_of(origin)
    reached = (
        f", and brought down {_count(len(brought_down), 'span')} up to {top.service} {top.operation}"
        if brought_down
        else f", which {above.service} {above.operation} dealt with"
        if above is not None
        else ""
    )
    yield Finding(
        "error",
        f"{origin.service} {origin.operation} failed first{f' ({reason})' if reason else ''} after"
        f" {ms(origin.end_ns - tree.root.start_ns)}{reached}"
        + (f"; {_count(others, 'other error')} began on {'its' if others == 1 else 'their'} own" if others else ""),
        top.duration_ns,
        origin,
        [origin, *brought_down],
        {"reason": reason, "brought_down": len(brought_down), "reached_root": top is tree.root, "other_errors": others},
    )


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def reason_of(node: Node) -> str:
    """What the span says about its error: status, exception event, or attributes."""
    if node.span.rest.status_message:
        return node.span.rest.status_message
    for event in node.span.rest.events:
        fields = dict(event.attributes)
        if event.name == "exception" or "exception.type" in fields:
            parts = (str(fields[key]) for key in ("exception.type", "exception.message") if key in fields)
            return ": ".join(parts)
    return node.text("error.type", "http.response.status_code", "http.status_code")
