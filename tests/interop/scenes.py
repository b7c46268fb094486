"""Hosts and programs that all tests of a class share, since starting them takes seconds."""

from __future__ import annotations

import atexit
from contextlib import ExitStack
from typing import ClassVar

from twisted.trial.unittest import SkipTest

from tests.beside import RunBeside
from tests.interop.programs import require_programs
from tests.network.lan import Lan


class _Current:
    """The scene in use; trial knows no setUpClass. It goes after the last test of its class."""

    owner: ClassVar[type[SceneTestCase] | None] = None
    stack: ClassVar[ExitStack] = ExitStack()
    failure: ClassVar[BaseException | None] = None
    tests_left: ClassVar[int] = 0


def _close() -> None:
    _Current.owner = _Current.failure = None
    stack, _Current.stack = _Current.stack, ExitStack()
    stack.close()


def _open(owner: type[SceneTestCase]) -> None:
    _close()
    _Current.owner = owner
    _Current.tests_left = sum(name.startswith("test") for name in dir(owner))
    try:
        require_programs(*owner.programs)
        owner.lan = Lan(owner.hosts, owner.links)
        _Current.stack.callback(owner.lan.close)
        owner.build(_Current.stack)
    except BaseException as error:
        # Every test of the class fails, or is skipped, for this reason, without trying again.
        _Current.failure = error
        _Current.stack.close()


def _leave() -> None:
    _Current.tests_left -= 1
    if _Current.tests_left <= 0:
        _close()


class SceneTestCase(RunBeside):
    """Tests on one `Lan` with programs that go on from test to test.

    A test leaves everything as it found it, or waits for what it needs.
    """

    programs: ClassVar[tuple[str, ...]] = ()
    """The programs that it needs, beside those for namespaces."""
    hosts: ClassVar[int] = 2
    links: ClassVar[int] = 1
    lan: ClassVar[Lan]

    @classmethod
    def build(cls, stack: ExitStack) -> None:
        """Start what the tests share; what is put on the stack is ended after the last of them."""

    def setUp(self) -> None:
        if _Current.owner is not type(self):
            _open(type(self))
        self.addCleanup(_leave)
        failure = _Current.failure
        if isinstance(failure, SkipTest):
            raise SkipTest(*failure.args)
        if failure is not None:
            raise AssertionError(f"what the tests share did not start: {failure}") from failure


atexit.register(_close)
