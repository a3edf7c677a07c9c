"""The fenced blocks of a page in `docs/`, so that tests can run what the page says."""

from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


@dataclass(frozen=True)
class Block:
    """One fenced block: its language ("" if it has none), its text, and the line that it begins at."""

    page: str
    language: str
    text: str
    line: int

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str, *languages: str) -> list[Block]:
    """The blocks of a page from top to bottom, those in some languages or all."""
    found: list[Block] = []
    opened: list[str] | None = None
    language, began = "", 0
    for number, line in enumerate((DOCS / page).read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            if opened is None:
                language, opened, began = line[3:].strip(), [], number + 1
            else:
                found.append(Block(page, language, "\n".join(opened), began))
                opened = None
        elif opened is not None:
            opened.append(line)
    assert opened is None, f"{page}: a block is not closed"
    return [block for block in found if not languages or block.language in languages]


def variables(block: Block) -> dict[str, str]:
    """The variables of an `env` block."""
    return dict(line.split("=", 1) for line in block.text.splitlines())
