"""The simulated network as a whole: its clock, links and hosts."""

from __future__ import annotations

from collections.abc import Coroutine
from random import Random
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.python.failure import Failure

from mcast.testing.captures import Capture
from mcast.testing.clock import SteppingClock
from mcast.testing.hosts import SimulatedHost
from mcast.testing.links import CONDITIONS, SimulatedLink

_T = TypeVar("_T")


class SimulatedLan:
    """Hosts and links that live on a clock which only the test turns.

    :param seed: decides everything random. Two runs with the same seed and the same calls are the same.
    """

    def __init__(self, seed: int = 0) -> None:
        self.clock = SteppingClock()
        """The reactor of everything on this network: ``Node(lan.clock, network=host)``."""
        self.packets = Capture()
        """Everything that was sent, on all links."""
        self._seed = seed
        self._rng = Random(seed)
        self._links: dict[str, SimulatedLink] = {}
        self._hosts: dict[str, SimulatedHost] = {}

    @property
    def now(self) -> float:
        """The time, in seconds."""
        return self.clock.seconds()

    def link(self, name: str = "lan", **conditions: Any) -> SimulatedLink:
        """Return the link of this name, made on first use.

        :param conditions: ``loss``, ``delay`` and the others of `LinkConditions`.
        :raises TypeError: there is no such condition.
        """
        for condition in conditions:
            if condition not in CONDITIONS:
                raise TypeError(f"a link has no condition {condition!r}: {', '.join(CONDITIONS)}")
        link = self._links.get(name)
        if link is None:
            link = SimulatedLink(self.clock, self._rng, self.packets, name, len(self._links) + 1)
            self._links[name] = link
        for condition, value in conditions.items():
            setattr(link, condition, value)
        return link

    def host(self, name: str, *links: SimulatedLink | str) -> SimulatedHost:
        """Return the host of this name; on first use it is made, with an interface on each of these links.

        Without links it is on the one named "lan"; `SimulatedHost.connect` adds interfaces later.
        """
        host = self._hosts.get(name)
        if host is None:
            host = SimulatedHost(self.clock, name, len(self._hosts) + 1, Random(f"{self._seed} {name}"))
            self._hosts[name] = host
            for link in links or ("lan",):
                host.connect(self.link(link) if isinstance(link, str) else link)
        return host

    def advance(self, seconds: float) -> None:
        """Let time go on.

        :raises RuntimeError: when it does not, since something calls itself again at the same time.
        """
        self.clock.advance(seconds)

    def result(self, waited_for: Deferred[_T] | Coroutine[Any, Any, _T], within: float = 60.0) -> _T:
        """Let time go on until something has happened, and return its result.

        :param waited_for: a Deferred, or a coroutine, which is started.
        :param within: seconds of the simulation's time.
        :raises TimeoutError: it has not happened by then; it is cancelled.
        :raises Exception: what it failed with.
        """
        deferred: Deferred[_T] = ensureDeferred(waited_for)
        outcome: list[Any] = []
        deferred.addBoth(_keep, outcome)
        end = self.clock.seconds() + within
        while not outcome:
            at = self.clock.next_at
            if at is None or at > end:
                deferred.cancel()
                raise TimeoutError(f"nothing came of it within {within} seconds")
            self.advance(max(0.0, at - self.clock.seconds()))
        (result,) = outcome
        if isinstance(result, Failure):
            result.raiseException()
        return result  # type: ignore[no-any-return]  # what the Deferred fired with

    def __repr__(self) -> str:
        return f"<SimulatedLan at {self.now} with {len(self._hosts)} hosts>"


def _keep(result: Any, outcome: list[Any]) -> Any:
    """Keep a result, and leave it to others who wait for it; a failure has been seen then."""
    outcome.append(result)
    return None if isinstance(result, Failure) else result
