"""Links of the documents lead somewhere: to files and headings that are there, and to hosts that we know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from twisted.trial.unittest import SynchronousTestCase

TOP = Path(__file__).resolve().parents[1]

PAGES = sorted(
    {
        *TOP.glob("*.md"),
        *(path for folder in ("docs", "contrib", "changes", "fuzz") for path in (TOP / folder).rglob("*.md")),
    }
)

HOSTS = {
    *("127.0.0.1", "service"),  # this machine, or what a page is about
    "llvm.org",
}
"""Whom a link may lead to. Our choice: few, since nobody looks whether a page elsewhere is still there."""

FENCED = re.compile(r"^(`{3,})[^\n]*\n.*?^\1$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")


class Link(NamedTuple):
    """Where a link stands, and where it leads to."""

    page: Path
    target: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(TOP)}: {self.target}"


@cache
def text_of(page: Path) -> str:
    """Return a page without its blocks and code, in which brackets mean something else."""
    return CODE.sub("", FENCED.sub("", page.read_text(encoding="utf-8")))


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the names by which headings of a page are reached, as MyST and GitHub make them."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    named = re.findall(r"^\((\S+)\)=$|\{#(\S+)\}", text, re.MULTILINE)
    slugs = (re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles)
    return frozenset([*slugs, *(first or second for first, second in named)])


def links() -> Iterator[Link]:
    """Yield the links within the text of all pages."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)(?: \"[^\"]*\")?\)", text_of(page)):
            yield Link(page, target)


def urls() -> Iterator[Link]:
    """Yield all that is written as an address on the web, in blocks as well."""
    for page in PAGES:
        for url in re.findall(r"https?://[^\s)>\]}\"'`|,;]+", page.read_text(encoding="utf-8")):
            yield Link(page, url.rstrip(".:"))


class LinkTests(SynchronousTestCase):
    def test_files_and_headings(self) -> None:
        wrong = []
        inside = [link for link in links() if not urlsplit(link.target).scheme]
        self.assertGreater(len(inside), 100)
        for link in inside:
            path, _, anchor = unquote(link.target).partition("#")
            # A piece of news becomes part of CHANGELOG.md.
            folder = TOP if link.page.parent.name == "changes" else link.page.parent
            file = (folder / path).resolve() if path else link.page
            if not file.exists() or not file.is_relative_to(TOP):
                wrong.append(f"{link}: there is no such file")
            elif anchor and anchor not in anchors(file):
                wrong.append(f"{link}: there is no such heading")
        self.assertEqual(wrong, [])

    def test_other_hosts(self) -> None:
        wrong = []
        for link in urls():
            parts = urlsplit(link.target)
            is_ours = re.search(r"(^|\.)(example|local)(\.com)?(:|$)|^HOST(:|$)", parts.netloc)
            if not parts.hostname or (parts.hostname not in HOSTS and not is_ours):
                wrong.append(f"{link}: {parts.hostname}")
        self.assertEqual(wrong, [])
