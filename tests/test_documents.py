"""README.md and docs/*.md: every block of Python is one that a reader can paste."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from unittest import TestCase, TestResult, defaultTestLoader, mock

from twisted.internet import task
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

import mcast.node.node
from mcast import Node, Record, RecordType, Service
from mcast.testing import SimulatedLan
from twisted import internet

TOP = Path(__file__).parent.parent

GIVEN = {
    "docs/beyond.md": {"node"},
    "docs/metrics.md": {"node", "root"},
    "docs/testing.md": {"lan"},
    "docs/tutorials/simulated-network.md": {"lan", "node_on", "browser"},
    "README.md": {"node"},
}
"""What a block may use without defining it: the page is about a program that has these already."""


class Block(NamedTuple):
    """A block of Python in a document."""

    place: str
    """Its page and line."""

    page: str
    code: str

    @property
    def tree(self) -> ast.Module:
        """The syntax tree; ``await`` may stand outside of a function, as at an asynchronous prompt."""
        tree = compile(self.code, self.place, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        assert isinstance(tree, ast.Module)
        return tree

    @property
    def code_object(self) -> Any:
        """The block, ready to run."""
        return compile(self.code, self.place, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def blocks() -> list[Block]:
    pages = (TOP / "README.md", *sorted((TOP / "docs").rglob("*.md")))
    return [block for page in pages for block in blocks_of(page)]


def block_with(text: str) -> Block:
    """Return the block that has some text: the only one, or that of README.md."""
    found = [block for block in blocks() if text in block.code]
    return next(block for block in found if len(found) == 1 or block.page == "README.md")


def blocks_of(path: Path) -> Iterator[Block]:
    text = path.read_text("utf-8")
    page = str(path.relative_to(TOP))
    for found in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        line = text.count("\n", 0, found.start()) + 2
        yield Block(f"{page}:{line}", page, found[1])


class BlockTests(SynchronousTestCase):
    def test_there_are_some(self) -> None:
        self.assertTrue({"README.md", *GIVEN} <= {block.page for block in blocks()})

    def test_compile(self) -> None:
        wrong = []
        for block in blocks():
            try:
                block.code_object  # noqa: B018  # that it can be made is what is tested
            except SyntaxError as error:
                wrong.append(f"{block.place}: {error}")
        self.assertEqual(wrong, [])

    def test_imports(self) -> None:
        """What is imported from mcast is there, and public."""
        wrong = [
            f"{block.place}: {node.module}.{alias.name}"
            for block in blocks()
            for node in ast.walk(block.tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mcast")
            for alias in node.names
            if alias.name not in getattr(import_module(node.module or ""), "__all__", ())
        ]
        self.assertEqual(wrong, [])

    def test_nothing_is_missing(self) -> None:
        """Each block imports or defines what it uses, but for what its page is about."""
        missing = {}
        for block in blocks():
            names = list(names_in(block.tree))
            bound = {name for name, is_bound in names if is_bound} | GIVEN.get(block.page, set())
            unknown = {name for name, is_bound in names if not is_bound} - bound - vars(builtins).keys()
            if unknown:
                missing[block.place] = sorted(unknown)
        self.assertEqual(missing, {})


def names_in(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """Yield each name in some code, and whether it gets its meaning there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id, not isinstance(node.ctx, ast.Load)
        elif isinstance(node, ast.arg):
            yield node.arg, True
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, True
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield (alias.asname or alias.name).split(".")[0], True


class RunTests(SynchronousTestCase):
    """The blocks that need no more than a network run on a simulated one."""

    def setUp(self) -> None:
        self.lan = SimulatedLan(seed=1)
        printer = self.lan.host("printer")
        self.printer = Node(self.lan.clock, network=printer, hostname="printer", rng=printer.rng)
        self.printer.startService()
        self.printer.publish(Service("My Web", "_http._tcp", 8080, txt={"path": "/"}))
        self.here = self.lan.host("here")
        self.patch(mcast.node.node, "SocketNetwork", lambda reactor: self.here)
        reactor = mock.patch.object(internet, "reactor", self.lan.clock, create=True)
        reactor.start()
        self.addCleanup(reactor.stop)
        self.node = Node(self.lan.clock, network=self.here, rng=self.here.rng)
        self.node.startService()
        self.lan.advance(3)

    def run_block(self, text: str, **given: Any) -> dict[str, Any]:
        """Run the block that has some text, and return the names it has given."""
        names = {
            "__name__": "document",
            "node": self.node,
            "lan": self.lan,
            **given,
        }
        running = eval(block_with(text).code_object, names)
        if running is not None:
            self.lan.result(running)
        return names

    def test_look_ups(self) -> None:
        host_info = Record(self.printer.host, RecordType.HINFO, 1, 120, b"\3CPU\2OS", cache_flush=True)
        self.lan.result(self.printer.publish(host_info).when_claimed())
        names = self.run_block('node.resolve("My Web"')
        self.assertEqual((names["service"].name, names["service"].port), ("My Web", 8080))
        self.assertEqual({str(each.address) for each in names["addresses"]} & {"10.0.1.1"}, {"10.0.1.1"})
        self.assertEqual({each.record.type for each in names["answers"]}, {RecordType.HINFO})

    def test_browse(self) -> None:
        mains: list[Any] = []
        printed: list[tuple[object, ...]] = []
        self.patch(task, "react", mains.append)
        self.run_block("node.browse(", print=lambda *words: printed.append(words))
        running: Deferred[None] = ensureDeferred(mains[0](self.lan.clock))
        self.lan.advance(3)
        self.assertEqual(printed, [("Added", "My Web", self.printer.host, 8080)])
        running.cancel()
        self.failureResultOf(running)

    def test_of_a_program(self) -> None:
        """The test case that docs/testing.md shows passes."""
        case = self.run_block("class DiscoveryTests")["DiscoveryTests"]
        assert issubclass(case, TestCase | SynchronousTestCase)
        result = TestResult()
        defaultTestLoader.loadTestsFromTestCase(case).run(result)
        self.assertEqual((result.testsRun, result.errors, result.failures), (1, [], []))

    def test_tutorial(self) -> None:
        """The blocks of docs/tutorials/simulated-network.md run one after the other."""
        *blocks, case = blocks_of(TOP / "docs/tutorials/simulated-network.md")
        names: dict[str, Any] = {"__name__": "document"}
        for block in blocks:
            eval(block.code_object, names)
        self.assertEqual(names["second"].name, "Cellar (2)")
        eval(case.code_object, names)
        result = TestResult()
        defaultTestLoader.loadTestsFromTestCase(names["PanelTests"]).run(result)
        self.assertEqual((result.testsRun, result.errors, result.failures), (1, [], []))

    def test_a_day_without_a_packet(self) -> None:
        self.run_block("announced = lan.packets")

    def test_endpoints(self) -> None:
        for text in (
            "server = serverFromString",
            "ServiceServerEndpoint(reactor",
            "provide_node(reactor, node)",
        ):
            self.run_block(text)

    def test_from_zeroconf(self) -> None:
        publish = self.run_block("async def publish(reactor)")["publish"]
        registration = self.lan.result(ensureDeferred(publish(self.lan.clock)))
        self.assertEqual(registration.name, "My Web (2)")  # the printer has the name

    def test_metrics(self) -> None:
        root = Resource()
        self.run_block("MetricsResource(node)", root=root)
        page = root.listEntities()
        self.assertEqual([name for name, _ in page], [b"metrics"])

    def test_log_observer(self) -> None:
        printed: list[tuple[object, ...]] = []
        names = self.run_block("def alarm(event)", print=lambda *words: printed.append(words))
        self.addCleanup(globalLogPublisher.removeObserver, names["alarm"])
        self.node.publish(Service("My Web", "_http._tcp", 1))
        self.lan.advance(3)
        self.assertEqual(printed[0][:2], ("name conflict:", "My Web._http._tcp.local."))

    def test_proxy_in_a_program(self) -> None:
        proxy = self.run_block("DiscoveryProxy(node, [zone], settings)")["proxy"]
        self.assertEqual(proxy.statistics()["now"]["queries that wait"], 0)
