"""docs/ and README.md: command lines, configuration and JSON fields are those that the programs have."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import shlex
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from twisted.internet.endpoints import serverFromString
from twisted.internet.testing import MemoryReactor
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from mcast.cli import COMMANDS, SHELLS
from mcast.cli.command import Parser, configure
from mcast.dnssd.files import toml
from mcast.dnssd.files.read import parse_services
from mcast.tap.tap import Options
from tests.blocks import block, blocks_of, pages

TOP = Path(__file__).parent.parent
MADE = TOP / "docs/reference/commands.md"
"""Written from the option tables: its lines are usages."""

PAGES = (TOP / "README.md", *sorted({*(TOP / "docs").rglob("*.md")} - {MADE}))


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """Yield each command of ours in a block: where it stands, and its words."""
    for page in (name for name in pages() if (TOP / name) in PAGES):
        for each in blocks_of(page):
            for line in each.commands:
                words = _words(line.strip().removeprefix("sudo ").removesuffix("&"))
                if words[:1] == ["mcast"] or words[:2] == ["twist", "mcast"]:
                    yield each.place, words


def mentions() -> Iterator[tuple[str, list[str]]]:
    """Yield each command that a text names; arguments may be left out there."""
    for page in PAGES:
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            for code in re.findall(r"`((?:sudo )?(?:twist )?mcast [a-z-][^`]*)`", line):
                words = _words(code.removeprefix("sudo "))
                if words:
                    yield f"{page.relative_to(TOP)}:{number}", words


def _words(line: str) -> list[str]:
    if not re.match(r"(twist )?mcast\b", line) or " [-" in line or "…" in line or "$" in line:
        return []  # another program, a usage line, or a form with words left out
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return []  # it goes on on the next line


def fault(words: list[str]) -> str | None:
    """Return what a program says against its arguments."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            if words[0] == "twist":
                Options().parseOptions(words[2:])
            elif words[1] in COMMANDS:
                parser = Parser(prog="mcast")
                module, description = COMMANDS[words[1]]
                configure(parser, import_module(module), description)
                parser.parse_intermixed_args([word for word in words[2:] if word not in ("|", "head")])
            elif words[1] == "--completion" and words[2] in SHELLS:
                return None
            elif words[1] not in ("--version", "--help"):
                return f"{words[1]}: no such command"
        except UsageError as error:
            return str(error)
        except SystemExit as leaving:
            return said.getvalue() or str(leaving.code) if leaving.code else None
    return None


class CommandLineTests(SynchronousTestCase):
    """What a reader types is understood."""

    def test_are_understood(self) -> None:
        lines = list(command_lines())
        self.assertGreater(len(lines), 30)
        self.assertEqual({place: said for place, words in lines if (said := fault(words))}, {})

    def test_what_is_mentioned_is_there(self) -> None:
        """The commands and options that stand in a sentence or a table."""
        faults = {place: fault(words) or "" for place, words in mentions()}
        self.assertGreater(len(faults), 30)
        unknown = re.compile("unrecognized|no such command|not recognized|invalid choice")
        self.assertEqual({place: said for place, said in faults.items() if unknown.search(said)}, {})

    def test_a_wrong_one_is_noticed(self) -> None:
        self.assertIsNotNone(fault(["mcast", "ping", "--colour"]))
        self.assertIsNotNone(fault(["twist", "mcast", "mdns", "--colour"]))
        self.assertIsNotNone(fault(["mcast", "paint"]))


class ConfigurationTests(SynchronousTestCase):
    """Files of services that a page shows are read without complaint."""

    def test_toml(self) -> None:
        page = TOP / "docs/reference/services-file.md"
        (text,) = re.findall(
            r"^```toml\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        )
        read = parse_services(text.encode(), "page", "kitchen")
        self.assertEqual([service.name for service in read.services], ["Web on kitchen", None])
        self.assertEqual(len(read.records), 1)

    def test_kubernetes(self) -> None:
        """The options of the container are understood, and the ConfigMap holds services."""
        page = (TOP / "docs/howto/kubernetes.md").read_text(encoding="utf-8")
        arguments = re.findall(r"args: (\[.*?\])", page)
        self.assertEqual(len(arguments), 2)
        faults = [fault(["twist", "mcast", *json.loads(words)]) for words in arguments]
        self.assertEqual(faults, [None, None])
        (text,) = re.findall(r"^  web\.toml: \|\n((?:    .*\n)+)", page, re.MULTILINE)
        (service,) = parse_services(textwrap.dedent(text).encode(), "page", "node-1").services
        self.assertEqual((service.name, service.port), ("Web on node-1", 30080))

    def test_images(self) -> None:
        """What stands behind the name of an image are options of its entry point, ``twist mcast``."""
        page = (TOP / "docs/howto/containers.md").read_text(encoding="utf-8")
        behind = [shlex.split(words) for words in re.findall(r"docker run .*?IMAGE (.*)", page)]
        self.assertEqual([fault(["twist", "mcast", *words]) for words in behind], [None, None])

    def test_network_attachment(self) -> None:
        """The configuration inside of the manifest is JSON, of the version of CNI that it names."""
        text = block("docs/howto/kubernetes.md", "NetworkAttachmentDefinition").text
        (inner,) = re.findall(r"config: '(.*)'", text)
        self.assertEqual((json.loads(inner)["type"], json.loads(inner)["cniVersion"]), ("macvlan", "0.3.1"))

    def test_every_key_is_told(self) -> None:
        page = (TOP / "docs/reference/services-file.md").read_text(encoding="utf-8")
        keys = {*toml._SERVICE_KEYS, *toml._RECORD_KEYS}
        self.assertEqual({key for key in keys if f"`{key}`" not in page}, set())


class MessageTests(SynchronousTestCase):
    def test_endpoint_string(self) -> None:
        """A wrong string is told of as docs/endpoints.md has it."""
        shown = block("docs/endpoints.md", "is unknown; there are").script
        with self.assertRaises(ValueError) as caught:
            serverFromString(MemoryReactor(), r"mdns:_http._tcp:colour=red:endpoint=tcp\:0")
        self.assertEqual(str(caught.exception), shown)


class JsonTests(SynchronousTestCase):
    """docs/reference/json.md and its schema name every event that a command prints, and every field of it."""

    def test_events_and_fields(self) -> None:
        page = (TOP / "docs/reference/json.md").read_text(encoding="utf-8")
        schema = (TOP / "docs/reference/json.schema.json").read_text(encoding="utf-8")
        missing = set()
        for path in (TOP / "mcast/cli").glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr == "event"
                ):
                    for keyword in node.keywords:
                        names = [keyword.arg] if keyword.arg else []
                        if keyword.arg == "event" and isinstance(keyword.value, ast.Constant):
                            names.append(str(keyword.value.value))
                        missing |= {(path.name, name) for name in names if f"`{name}`" not in page}
                        missing |= {(path.name, f'"{name}"') for name in names if f'"{name}"' not in schema}
        self.assertEqual(sorted(missing), [])


class EnvironmentTests(SynchronousTestCase):
    """docs/reference/programs.md names each command and each variable that is read, and no others."""

    page = TOP / "docs/reference/programs.md"

    def test_variables(self) -> None:
        """Those that are asked for by name, and those that a prefix makes known as ours or the manager's."""
        # By shutil.get_terminal_size, and from a mapping that is passed in.
        read = {"COLUMNS", "LINES", "TERM", "NO_COLOR"}
        for path in (TOP / "setup.py", *(TOP / "mcast").rglob("*.py"), *(TOP / "tests").rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            read |= set(re.findall(r"environ(?:\.get\(|\[)[\"']([A-Z_]+)", text))
            read |= set(re.findall(r"\"((?:MCAST|WATCHDOG|NOTIFY|JOURNAL)_[A-Z]+)\"", text))
        table = self.page.read_text(encoding="utf-8").partition("## Environment")[2]
        named = {
            name
            for row in re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE)
            for name in row.split("`")[1::2]
        }
        self.assertEqual(named, read - {"PYTHONPATH"})

    def test_commands(self) -> None:
        table = self.page.read_text(encoding="utf-8").partition("## Signals")[0]
        self.assertEqual([name for name in COMMANDS if not re.search(rf"\b{name}`", table)], [])
