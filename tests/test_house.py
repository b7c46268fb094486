"""Hold the walls between rooms that docs/architecture.md draws, and the sizes of what stands in them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import ClassVar

from twisted.trial.unittest import SynchronousTestCase

TOP = Path(__file__).resolve().parent.parent
MCAST = TOP / "mcast"

FLOORS: tuple[tuple[str, ...], ...] = (
    ("mcast.showing",),
    ("mcast.errors", "mcast.neighbours", "mcast.rate_limit", "mcast.clock", "mcast.version", "mcast.streams"),
    ("mcast.dns", "mcast.sockets", "mcast.last_look"),
    ("mcast.mdns", "mcast.echo"),
    ("mcast.mdns.responder", "mcast.mdns.querier"),
    ("mcast.mdns.link",),
    ("mcast.dnssd",),
    ("mcast.dnssd.files", "mcast.unicast", "mcast.live"),
    ("mcast.dns_client", "mcast.conform"),
    ("mcast.oneshot",),
    ("mcast.node",),
    ("mcast.watching",),
    ("mcast.testing", "mcast.endpoints", "mcast.resolver", "mcast.proxy", "mcast.view"),
    ("mcast.metrics",),
    ("mcast.tap", "mcast.cli"),
    ("mcast",),
)
"""The rooms, ground floor first. A room imports from the floors below its own, and from no other room.

A module belongs to the room with the longest name that its own name begins with. ``mcast`` itself is the
face: ``mcast/__init__.py`` and nothing else, so that a new module at the top must be given a floor here.
"""

CORE = (
    "mcast.errors",
    "mcast.neighbours",
    "mcast.rate_limit",
    "mcast.streams",
    "mcast.showing",
    "mcast.dns",
    "mcast.mdns",
    "mcast.dnssd",
    "mcast.unicast",
    "mcast.live",
)
"""The rooms, with all that lies in them, that decide and touch nothing."""

OUTSIDE_THE_CORE = {
    *("twisted", "zope", "asyncio", "threading", "subprocess", "socket", "select", "selectors", "ssl"),
    *("time", "datetime", "signal", "secrets", "logging", "mcast.clock"),
}
"""What no module of the core imports: the network, the clock, the machine."""

ONLY_IN = {
    "dpkt": ("mcast.cli.capture",),
    "ifaddr": ("mcast.sockets",),
    "prometheus_client": ("mcast.metrics",),
    "dnslib": ("mcast.dns",),
}
"""A package that is not ours, and the only rooms that import it."""

FILE_LINES = 500
FUNCTION_LINES = 60
CONSTRUCTOR_PARAMETERS = 6
"""Our choice: what a reader takes in as one piece. ``self`` does not count."""

EXCEPTIONS: dict[str, str] = {
    "mcast/dns/messages.py _decode_records": "hot: one loop decodes the records of every datagram",
    "mcast/dns/messages.py Message": "the fields of a message; what dataclass writes is not compiled",
    "mcast/dnssd/service.py Service": "the fields of a service, each of them the user's",
    "mcast/node/node.py Node": "the settings of a node, all named, each of them the user's",
}
"""What breaks a rule, and why it may. An exception that is no longer needed fails the tests, too."""


def module_name(path: Path) -> str:
    """Return the dotted name of a Python file of ours."""
    parts = path.relative_to(TOP).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    """Yield each Python file below the folders, and its syntax tree."""
    for folder in folders:
        for path in sorted((TOP / folder).rglob("*.py")):
            yield path, parsed(path)


@cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


MODULES = {module_name(path): tree for path, tree in sources("mcast")}


def imports(tree: ast.Module) -> set[str]:
    """Return the names of the modules that a module imports, those for annotations among them."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # ``from mcast.dns import names`` imports a module, ``from mcast.dns.names import Name`` does not.
            base = node.module or ""
            submodules = {f"{base}.{alias.name}" for alias in node.names} & MODULES.keys()
            found.update(submodules or {base})
    return found


def is_within(name: str, room: str) -> bool:
    """Tell whether a module is the room, or lies in it."""
    return name == room or name.startswith(f"{room}.")


def room_of(name: str) -> str | None:
    """Return the room of a module of ours; None when it has none."""
    rooms = [room for floor in FLOORS for room in floor if room != "mcast" and is_within(name, room)]
    return max(rooms, key=len, default="mcast" if name == "mcast" else None)


def floor_of(room: str) -> int:
    """Return the number of a room's floor, the ground floor being 0."""
    return next(number for number, floor in enumerate(FLOORS) if room in floor)


@cache
def broken_walls() -> set[str]:
    """Return each import that goes up, or to another room of the same floor."""
    broken = set()
    for name, tree in MODULES.items():
        room = room_of(name) or name
        for target in imports(tree):
            other = room_of(target)
            if other is not None and other != room and floor_of(other) >= floor_of(room):
                broken.add(f"{name} imports {target}")
    return broken


@cache
def too_long() -> set[str]:
    """Return the files and functions that are too long, those of the tests among them."""
    long = set()
    for path, tree in sources("mcast", "tests", "benchmarks", "fuzz", "twisted"):
        label = path.relative_to(TOP).as_posix()
        if len(path.read_text(encoding="utf-8").splitlines()) > FILE_LINES:
            long.add(label)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                if node.end_lineno - node.lineno + 1 > FUNCTION_LINES:
                    long.add(f"{label} {node.name}")
    return long


@cache
def too_many_parameters() -> set[str]:
    """Return the classes with an ``__init__`` of too many parameters.

    A dataclass writes its own: its fields are data, and one of many fields is how many parameters become one.
    """
    many = set()
    for path, tree in sources("mcast", "tests", "benchmarks", "fuzz"):
        for owner in ast.walk(tree):
            if not isinstance(owner, ast.ClassDef):
                continue
            for node in owner.body:
                if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                    of = node.args
                    parameters = [*of.posonlyargs, *of.args, *of.kwonlyargs, of.vararg, of.kwarg]
                    if sum(each is not None for each in parameters) - 1 > CONSTRUCTOR_PARAMETERS:
                        many.add(f"{path.relative_to(TOP).as_posix()} {owner.name}")
    return many


class WallTests(SynchronousTestCase):
    """A room imports only from the floors below it."""

    def test_every_module_has_a_room(self) -> None:
        self.assertEqual([name for name in MODULES if room_of(name) is None], [])

    def test_every_room_stands(self) -> None:
        """A wall around a room that has moved holds nothing."""
        rooms = {room for floor in FLOORS for room in floor}
        self.assertEqual(rooms - MODULES.keys(), set())

    def test_imports_go_down(self) -> None:
        self.assertEqual(sorted(broken_walls() - EXCEPTIONS.keys()), [])

    def test_the_halves_of_a_link_know_nothing_of_each_other(self) -> None:
        self.assertEqual(floor_of("mcast.mdns.responder"), floor_of("mcast.mdns.querier"))

    def test_the_conformance_runner_does_not_judge_us_by_us(self) -> None:
        """It stands on octets and sockets alone: a fault of our state machine must not hide one of theirs."""
        ours = ("mcast.mdns", "mcast.dnssd", "mcast.echo", "mcast.oneshot", "mcast.unicast", "mcast.live")
        used = {
            f"{name} imports {target}"
            for name, tree in MODULES.items()
            if is_within(name, "mcast.conform")
            for target in imports(tree)
            if any(is_within(target, room) for room in ours)
        }
        self.assertEqual(sorted(used), [])

    def test_packages_of_others_stay_in_one_room(self) -> None:
        strays = {
            f"{name} imports {target}"
            for name, tree in MODULES.items()
            for target in imports(tree)
            for package, rooms in ONLY_IN.items()
            if is_within(target, package) and not any(is_within(name, room) for room in rooms)
        }
        self.assertEqual(sorted(strays), [])

    def test_the_plugin_imports_next_to_nothing(self) -> None:
        """It is imported whenever somebody lists plugins, and never may import the reactor."""
        tree = ast.parse((TOP / "twisted/plugins/mcast_plugin.py").read_text(encoding="utf-8"))
        self.assertEqual(
            imports(tree) - {"__future__"}, {"twisted.application.service", "mcast.endpoints.parsers"}
        )


class CoreTests(SynchronousTestCase):
    """The core decides and the shell moves octets: the core has no socket, no clock, no chance of its own."""

    modules: ClassVar = {
        name: tree for name, tree in MODULES.items() if any(is_within(name, room) for room in CORE)
    }

    def test_imports_neither_twisted_nor_clock_nor_socket(self) -> None:
        reached = {
            f"{name} imports {target}"
            for name, tree in self.modules.items()
            for target in imports(tree)
            if {target, target.partition(".")[0]} & OUTSIDE_THE_CORE
        }
        self.assertEqual(sorted(reached), [])

    def test_draws_no_random_number_of_its_own(self) -> None:
        """It is handed a ``random.Random``, seeded in tests; the module's functions share a hidden one."""
        drawn = {
            f"{name}:{node.lineno} random.{node.attr}"
            for name, tree in self.modules.items()
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "random"
            and node.attr != "Random"
        }
        self.assertEqual(sorted(drawn), [])

    def test_only_the_clock_asks_a_reactor_for_the_time(self) -> None:
        """It is the wall clock. A call that waits for the next turn of the reactor measures no time."""
        asking = {
            f"{name}:{node.lineno}"
            for name, tree in MODULES.items()
            if name != "mcast.clock" and not is_within(name, "mcast.testing")
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("seconds", "callLater")
            and ast.unparse(node.func.value).endswith("reactor")
            and [ast.unparse(each) for each in node.args[:1]] != ["0"]
        }
        self.assertEqual(sorted(asking), [])

    def test_only_one_module_sets_socket_options(self) -> None:
        """They are set by the table of what each platform wants."""
        setting = {
            name
            for name, tree in MODULES.items()
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and node.attr == "setsockopt"
        }
        self.assertEqual(setting, {"mcast.sockets.options"})


class SizeTests(SynchronousTestCase):
    """A file, a function and a constructor each fit into one head."""

    def test_files_and_functions(self) -> None:
        self.assertEqual(sorted(too_long() - EXCEPTIONS.keys()), [])

    def test_constructors(self) -> None:
        self.assertEqual(sorted(too_many_parameters() - EXCEPTIONS.keys()), [])

    def test_every_exception_is_still_needed(self) -> None:
        needed = broken_walls() | too_long() | too_many_parameters()
        self.assertEqual(sorted(EXCEPTIONS.keys() - needed), [])


class PageTests(SynchronousTestCase):
    """docs/architecture.md is true to the code."""

    def setUp(self) -> None:
        self.page = (TOP / "docs/architecture.md").read_text(encoding="utf-8")

    def test_paths(self) -> None:
        """Each file and folder that it names is there."""
        named = set(re.findall(r"[\w/]+(?:\.py|/(?=\s|`))", self.page))
        missing = {
            name
            for name in named
            if not any((folder / name).exists() for folder in (TOP, MCAST, MCAST / "mdns"))
        }
        self.assertEqual(sorted(missing), [])

    def test_classes(self) -> None:
        """Each class in its table of words is there."""
        words = self.page.partition("## Words")[2].partition("## Rules")[0]
        named = set(re.findall(r"`([A-Z]\w+)`", words))
        classes = {
            node.name
            for tree in MODULES.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
        }
        aliases = {
            node.targets[0].id
            for tree in MODULES.values()
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        self.assertEqual(sorted(named - classes - aliases), [])

    def test_halves_of_a_link(self) -> None:
        """It names every module of the two, since a reader of RFC 6762 looks there first."""
        words = set(re.findall(r"\w+", self.page))
        halves = [name for name in MODULES if re.match(r"mcast\.mdns\.(responder|querier)\.", name)]
        self.assertEqual([name for name in halves if name.rpartition(".")[2] not in words], [])

    def test_sections(self) -> None:
        """From each section of RFC 6762 that asks for something, its table leads to a file."""
        table = self.page.partition("| section | file |")[2].partition("##")[0]
        named = set(re.findall(r"§([\d.]*\d)", table))
        parts = {5: 5, 6: 7, 7: 4, 8: 4, 10: 5}
        wanted = {f"{section}.{part}" for section, last in parts.items() for part in range(1, last + 1)}
        wanted |= {str(section) for section in (6, 9, *range(10, 19))}
        self.assertEqual(sorted(wanted - named), [])

    def test_rooms(self) -> None:
        """It draws every room, and modules that it lists inside a room are there."""
        drawn = {room for floor in FLOORS for room in floor if room != "mcast"}
        paths = {room: room.replace(".", "/") for room in drawn}
        missing = [room for room, path in paths.items() if path.rpartition("/")[2] not in self.page]
        self.assertEqual(missing, [])
