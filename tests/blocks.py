"""The blocks of the documents: programs, commands and configuration that a reader can paste."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TOP = Path(__file__).resolve().parents[1]

MADE = "docs/reference/commands.md"
"""Written from the option tables: its blocks are usages, and `contrib/share.py` compares them."""


class Block(NamedTuple):
    """A block of a document, fenced or indented."""

    page: str
    line: int
    kind: str
    """The word behind the fence; ``indented`` where there is none."""
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def script(self) -> str:
        """What a reader types: the lines with a prompt where there are any, all of them otherwise."""
        typed = [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]
        return "\n".join(typed) if typed else self.text.rstrip("\n")

    @property
    def commands(self) -> list[str]:
        """The same, one command each; those of several lines are for `script` alone."""
        return self.script.replace("\\\n", " ").splitlines()


def pages() -> list[str]:
    """Return the documents that have blocks of their own."""
    found = {*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md"), *(TOP / "contrib").rglob("*.md")}
    return sorted({str(path.relative_to(TOP)) for path in found} - {MADE, "CHANGELOG.md"})


def blocks_of(page: str) -> list[Block]:
    """Return the blocks of a document, in their order; Sphinx's own directives are none."""
    return [block for block in _all_of(page) if not block.kind.startswith("{")]


def block(page: str, text: str) -> Block:
    """Return the only block of a document that has some text."""
    (found,) = (each for each in blocks_of(page) if text in each.text)
    return found


def _all_of(page: str) -> Iterator[Block]:
    lines = (TOP / page).read_text(encoding="utf-8").splitlines()
    at = 0
    while at < len(lines):
        fence = re.match(r"(`{3,})(.*)", lines[at])
        if fence is not None:
            end = lines.index(fence[1], at + 1)
            yield Block(
                page, at + 2, fence[2] or "plain", "".join(f"{line}\n" for line in lines[at + 1 : end])
            )
            at = end
        elif lines[at].startswith("    ") and (at == 0 or not lines[at - 1].strip()):
            end = at
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            inside = [line[4:] for line in lines[at:end]]
            yield Block(page, at + 1, "indented", "\n".join(inside).strip("\n") + "\n")
            at = end - 1
        at += 1
