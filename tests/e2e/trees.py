"""Traces as trees that a test can compare as wholes."""

from typing import Any

Tree = tuple[str, tuple["Tree", ...]]


def tree(name: str, *below: Tree) -> Tree:
    """A span, "service operation", and what is below it in any order."""
    return (name, tuple(sorted(below)))


def tree_of(spans: list[dict[str, Any]]) -> tuple[Tree, ...]:
    """The trees of a trace's spans; a whole trace is one. A span whose parent is missing is a root of its own.

    Where a span names who it talks to (``peer.service``), that is its first word: ``database INSERT order``.
    """
    ids = {span["spanID"] for span in spans}
    below: dict[str, list[dict[str, Any]]] = {}
    roots = []
    for span in spans:
        parents = [r["spanID"] for r in span["references"] if r["refType"] == "CHILD_OF"]
        if parents and parents[0] in ids:
            below.setdefault(parents[0], []).append(span)
        else:
            roots.append(span)

    def build(span: dict[str, Any]) -> Tree:
        who = span["attributes"].get("peer.service") or span["service"]
        children = [build(child) for child in below.get(span["spanID"], [])]
        return tree(f"{who} {span['operationName']}", *children)

    return tuple(sorted(build(root) for root in roots))


def text(trees: tuple[Tree, ...], depth: int = 0) -> str:
    """Trees as indented lines, for reading."""
    return "".join(f"{'    ' * depth}{name}\n{text(below, depth + 1)}" for name, below in trees)
