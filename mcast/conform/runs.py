"""A whole run: what was asked for, where it is played, what is written of it."""

from __future__ import annotations

import random
import secrets
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import gmtime, strftime
from typing import Any

from mcast.clock import clock_of
from mcast.conform import namespaces
from mcast.conform.cable import CablePlace, require_frames
from mcast.conform.engine import Lateness, Place, Progress, repeated, run_groups
from mcast.conform.hooks import Hooks
from mcast.conform.lab import LabPlace
from mcast.conform.person import Person
from mcast.conform.presets import HOST, PRESETS, SERVICE, SUBTYPE, WITHOUT_SUBTYPES, Launch
from mcast.conform.proxy import PROXY
from mcast.conform.proxy_presets import PROXIES
from mcast.conform.querier import QUERIER
from mcast.conform.querier_presets import BROWSED, QUERIERS
from mcast.conform.reports import write_html, write_json, write_junit, write_pcap
from mcast.conform.responder import RESPONDER
from mcast.conform.scenarios import Catalogue, Scenario
from mcast.conform.subjects import Names
from mcast.conform.verdicts import Finding, Result
from mcast.showing import one_line
from mcast.version import version

CATALOGUES = {each.role: each for each in (RESPONDER, QUERIER, PROXY)}
"""What can be judged, by role."""


PRESETS_OF = {RESPONDER.role: PRESETS, QUERIER.role: QUERIERS, PROXY.role: PROXIES}
"""Subjects that are known by name, by role."""


def presets_of(role: str) -> Mapping[str, Callable[[Names, Path], Launch]]:
    """Return the subjects of a role."""
    return PRESETS_OF[role]


def catalogue_of(role: str) -> Catalogue:
    """Return the scenarios of a role."""
    return CATALOGUES[role]


@dataclass(frozen=True, slots=True)
class Ways:
    """How a run speaks with a person."""

    tell: Callable[[str], None]
    """Says something on the side."""
    ask: Callable[[str], None] | None
    """Asks for something that a person does, who presses Enter then; None where nobody is there."""
    terminal: int = 0
    """The file descriptor on which Enter is pressed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for."""

    role: str
    subject: str
    """For people."""
    names: Names
    side_by_side: int = 1
    repeat: int = 1
    seed: int = 0
    ipv6: bool = False
    interface: str = ""
    """Of a device on a cable; empty in a lab."""
    launch: Callable[[Path], Launch] | None = None
    """In a lab: how the subject is started, given an empty folder."""
    hooks: Mapping[str, str] = field(default_factory=dict)
    shows: str = ""
    """How the output of the hook ``browse`` is read, if it is."""
    again: str = ""
    """The command that judges the same again."""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Plan:
        """Make it of the arguments of the command.

        :raises ValueError: they do not go together; in one line.
        """
        interface, preset, command = given["interface"], given["subject"], given["command"]
        if sum(map(bool, (interface, preset, command))) != 1:
            raise ValueError(
                "name one of: -I IF for a device on a cable, --subject NAME or --command COMMAND for a lab"
            )
        if preset and preset not in PRESETS_OF[given["role"]]:
            known = ", ".join(sorted(PRESETS_OF[given["role"]]))
            raise ValueError(f"--subject {preset}: not known as a {given['role']}; known are {known}")
        names = _names(given)
        hooks = Hooks.parse(given["hook"])
        if hooks and not interface:
            raise ValueError("--hook: a lab runs none; it is for a device, with -I IF")
        if names.browses and interface:
            subject = f"what browses for {names.type} on {interface}"
        else:
            subject = f"{names.host} on {interface}"
        launch: Callable[[Path], Launch] | None = None
        if preset:
            make = presets_of(given["role"])[preset]

            def launch(folder: Path) -> Launch:
                return make(names, folder)

        elif command:
            words = tuple(shlex.split(command))

            def launch(folder: Path) -> Launch:
                return Launch(words, shows=given["shows"] or "")

        seed = given["seed"]
        return cls(
            role=given["role"],
            subject=preset or command or subject,
            names=names,
            side_by_side=1 if interface else given["jobs"],
            repeat=given["repeat"],
            seed=secrets.randbits(32) if seed is None else seed,
            ipv6=given["ipv6"],
            interface=interface or "",
            launch=launch,
            hooks=hooks,
            shows=given["shows"] or "",
            again=_again(given),
        )


def _again(given: Mapping[str, Any]) -> str:
    """Return the command that judges the same again: its options that say what is judged, and how."""
    words = ["mcast", "conform", given["role"]]
    for name in ("interface", "subject", "command", "host", "service", "type", "shows", "subtype"):
        if given[name]:
            words += [f"--{name}", given[name]]
    for action, command in given["hook"]:
        words += ["--hook", f"{action}={command}"]
    words += [f"--{name.replace('_', '-')}" for name in ("no_ask", "ipv6") if given[name]]
    return shlex.join(words)


def _names(given: Mapping[str, Any]) -> Names:
    """Return what the subject publishes, or what it browses for."""
    interface, preset = given["interface"], given["subject"]
    host, service, subtype = given["host"], given["service"], given["subtype"]
    if given["role"] == QUERIER.role:
        # A querier needs no name of its own, and its type is that of a service that we play.
        named = host if interface else ""
        plain = Names.parse(named or HOST, f"none.{given['type'] or BROWSED}")
        return replace(plain, browses=True, is_told=bool(named))
    if interface and given["role"] == PROXY.role:
        raise ValueError("a proxy is judged in a lab: --subject NAME or --command COMMAND")
    if interface and not host:
        raise ValueError("a device is known by its host name: --host printer.local")
    if preset and not host and not service:
        subtype = subtype or ("" if preset in WITHOUT_SUBTYPES else SUBTYPE)
    return Names.parse(host or HOST, service or ("" if interface else SERVICE), subtype)


async def run_plan(
    reactor: Any, plan: Plan, scenarios: Sequence[Scenario], progress: Progress, ways: Ways
) -> Result:
    """Play everything and return what came of it.

    :raises NotRunError: nothing can be played here, in one line.
    """
    clock = clock_of(reactor)
    started = clock.seconds()
    lateness = Lateness(clock)
    hooks = Hooks(plan.hooks, _person(reactor, ways), plan.shows)
    make_place = await _places(reactor, plan, hooks)
    places: list[Place] = []

    def place_for(_: str) -> Place:
        places.append(make_place())
        return places[-1]

    with namespaces.going_first() if plan.launch is not None else nullcontext():
        lateness.start()
        try:
            findings = await repeated(
                plan.repeat, lambda: run_groups(scenarios, place_for, plan.side_by_side, lateness, progress)
            )
        finally:
            lateness.stop()
    result = result_of(plan, findings, clock.seconds() - started, sum(place.lost for place in places))
    if hooks.met_mac:
        result.notes.append(f"the device was {hooks.met_address}, {hooks.met_mac.hex(':')}")
    return result


def _person(reactor: Any, ways: Ways) -> Person | None:
    return None if ways.ask is None else Person(reactor, ways.ask, ways.terminal)


async def _places(reactor: Any, plan: Plan, hooks: Hooks) -> Callable[[], Place]:
    dice = random.Random(plan.seed)
    launch = plan.launch
    if launch is None:
        require_frames(plan.interface)
        return lambda: CablePlace(reactor, plan.interface, plan.names, hooks, dice, plan.ipv6)
    namespaces.require_namespaces()
    await namespaces.delete_leftovers(reactor)
    start = launch
    return lambda: LabPlace(reactor, plan.subject, plan.names, start, dice, plan.ipv6)


def result_of(plan: Plan, findings: list[Finding], seconds: float, lost: int) -> Result:
    """Return what came of a plan.

    :param lost: packets of our own that were lost.
    """
    where = f" -I {plan.interface}" if plan.interface else ""
    made = f"by mcast {version()}, {strftime('%Y-%m-%d %H:%M', gmtime())} UTC"
    family = "IPv6" if plan.ipv6 else "IPv4"
    notes = [f"{len(findings)} checks over {family} in {seconds:.0f} s{where}, seed {plan.seed}, {made}"]
    words = _words(plan)
    if words:
        notes.append(words)
    if lost:
        notes.append(f"the run lost {lost} packets of its own")
    return Result(plan.subject, plan.role, findings, seconds, notes, plan.again)


def _words(plan: Plan) -> str:
    """Return what the words in capitals mean that stand for names; empty where there are none."""
    if plan.role != RESPONDER.role:
        return ""
    names = plan.names
    pairs = {"INSTANCE": names.service, "TYPE": names.type, "SUBTYPE": names.subtype_name}
    others = [f", {word} {name}" for word, name in pairs.items() if name is not None]
    family = "; its type AAAA takes the place of type A" if plan.ipv6 else ""
    return f"HOST is {names.host}{family}{''.join(others)}"


def report(result: Result, given: Any) -> Iterator[str]:
    """Write the files that were asked for; yield what went wrong, a line each."""
    writers: list[tuple[Path | None, Callable[[Result, Path], None]]] = [
        (given.save, write_json),
        (given.junit, write_junit),
        (given.html, write_html),
        (given.pcap, write_pcap),
    ]
    for path, write in writers:
        if path is not None:
            try:
                write(result, path)
            except OSError as error:
                yield one_line(error)
