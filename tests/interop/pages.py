"""Pages of docs/ whose commands and programs are run between two hosts, as a reader would."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path

from tests.interop.programs import Program, require_programs
from tests.network.lan import PATIENCE, REPOSITORY, Host, LanTestCase, wait_until

DOCS = REPOSITORY / "docs"
PROGRAMS = {
    "mcast": '-m mcast.cli "$@"',
    "twist": '-m twisted "$@"',
    "python": '-u "$@"',
    "python3": '-u "$@"',
    "daphne": '-m daphne "$@"',
    "ckeygen": '-c "from twisted.conch.scripts.ckeygen import run; run()" "$@"',
}
"""What a reader has on the PATH once it is installed: arguments of this interpreter."""


ENVIRONMENT = {"PYTHONPATH": str(REPOSITORY)}
"""Mcast is found where it is, wherever a reader types."""


class Page:
    """A page: the commands of its blocks, and the programs that it has a reader save."""

    def __init__(self, name: str) -> None:
        text = (DOCS / name).read_text(encoding="utf-8")
        consoles = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        self.commands: list[str] = [
            line[2:] for block in consoles for line in block.splitlines() if line.startswith("$ ")
        ]
        # The sentence may stand anywhere in the paragraph before the block.
        saved = r"Save this as `([^`]+)`[^\n]*\n(?:[^\n]+\n)*\n```python\n(.*?)^```$"
        self.files: dict[str, str] = dict(re.findall(saved, text, re.MULTILINE | re.DOTALL))
        self.blocks: list[str] = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)

    def take(self, start: str) -> str:
        """Return the next command of the page, which begins with some words."""
        command = self.commands.pop(0)
        if not command.startswith(start):
            raise AssertionError(f"the page goes on with {command!r}, not with {start!r}")
        return command


def run_until(start: Callable[[], Program], text: str, statuses: Collection[int] = (0,)) -> str:
    """Start a program again and again until it ends well, and what it printed matches; return that.

    :param statuses: with which it may end.
    """
    said: list[str] = []

    def has_said() -> bool:
        program = start()
        status = program.wait(2 * PATIENCE)
        said.append(program.output)
        return status in statuses and re.search(text, program.output) is not None

    try:
        wait_until(has_said, text)
    except AssertionError as error:
        raise AssertionError(f"{error}, but:\n{said[-1]}") from None
    return said[-1]


class PageTestCase(LanTestCase):
    """A reader with two hosts, a terminal on each, and a folder that both see."""

    def setUp(self) -> None:
        require_programs()
        super().setUp()
        self.here, self.there = self.lan.hosts[:2]
        self.folder = Path(tempfile.mkdtemp(prefix="mcast-"))
        self.addCleanup(shutil.rmtree, self.folder)
        for name, words in PROGRAMS.items():
            path = self.folder / "bin" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"#!/bin/sh\nexec '{sys.executable}' {words}\n")
            path.chmod(0o755)

    def read(self, name: str) -> Page:
        """Return a page; its programs are saved."""
        page = Page(name)
        for file, code in page.files.items():
            (self.folder / file).write_text(code)
        return page

    def start(self, host: Host, command: str) -> Program:
        """Type a command in a terminal of a host."""
        program = Program(host.command(*self.typed(f"exec {command}")), environment=ENVIRONMENT)
        self.addCleanup(program.end)
        return program

    def typed(self, script: str) -> list[str]:
        """Return the command that does what a reader types, in the folder of the test."""
        return ["bash", "-c", f"cd '{self.folder}' && PATH=\"$PWD/bin:$PATH\" && {script}"]

    def run_until(self, host: Host, command: str, text: str) -> str:
        """Type a command again and again until it ends well, and what it prints matches; return that.

        Programs need time to start, and on a busy machine they answer later than a command waits.
        """
        return run_until(lambda: self.start(host, command), text)

    def run_whole(self, host: Host, command: str) -> str:
        """Type a command, wait for its end, which must be a good one, and return what it printed."""
        program = self.start(host, command)
        self.assertEqual(program.wait(2 * PATIENCE), 0, program.output)
        return program.output
