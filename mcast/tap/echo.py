"""The options of the echo responder on the `twist` command line."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.python.usage import UsageError

from mcast.echo.responder import EchoRules
from mcast.echo.service import EchoService
from mcast.echo.sources import DEFAULT_MAX_RATE
from mcast.rate_limit import UNLIMITED
from mcast.sockets.group import MAX_PORT, Group, port_in_address
from mcast.sockets.membership import sources_of
from mcast.sockets.options import MAX_HOPS
from mcast.tap.options import Options

DEFAULT_GROUPS = ("224.0.0.123", "ff02::123")
"""Served when no group is named. Our choice: link-local and unassigned, so that nothing leaves the link."""

DEFAULT_PORT = 7645
"""Our choice: unassigned."""


class EchoOptions(Options):
    """Options that become an `EchoService`; `parseOptions` refuses what cannot work on any host."""

    longdesc = "Answers each datagram sent to a group, to its sender alone, by the interface it arrived on."

    optFlags: ClassVar[list[list[str | None]]] = [
        ["no-loopback", None, "Do not answer programs on this host."],
        [
            "answer-group",
            None,
            "Answer mcast ping --both to the group as well, 20 times a second at most.",
        ],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["groups"] = []
        self["interfaces"] = []
        self["sources"] = []
        self["port"] = DEFAULT_PORT
        self["reply"] = None
        self["ttl"] = None
        self["max_rate"] = DEFAULT_MAX_RATE

    def opt_group(self, text: str) -> None:
        """Group to answer: 224.0.0.123, ff02::123 or ff02::123%eth0, a port may follow as in 224.0.0.123:7645
        or [ff02::123]:7645; may be repeated (default: 224.0.0.123 and ff02::123)."""
        self["groups"].append(text)

    def opt_port(self, text: str) -> None:
        """UDP port of the groups that name none (default: 7645)."""
        self["port"] = _number("port", text, 1, MAX_PORT)

    def opt_interface(self, text: str) -> None:
        """Interface by name, index or address; may be repeated (default: each that is up and does
        multicast)."""
        self["interfaces"].append(text)

    def opt_reply(self, text: str) -> None:
        """Answer with this text in place of what was sent."""
        self["reply"] = text.encode("utf-8", "surrogateescape")

    def opt_ttl(self, text: str) -> None:
        """TTL or hop limit of the answers, 0-255; 0 counts as 1, the least that unicast can have (default:
        the system's)."""
        self["ttl"] = _number("ttl", text, 0, MAX_HOPS)

    def opt_source(self, text: str) -> None:
        """Answer this sender only; may be repeated. Source-specific groups (232.0.0.0/8, ff3x::/32) need
        it."""
        self["sources"].append(text)

    def opt_max_rate(self, text: str) -> None:
        """Replies a second to one source at most, 0 for no limit (default: 10000)."""
        self["max_rate"] = _number("max-rate", text, 0, UNLIMITED)

    def postOptions(self) -> None:
        """Make `Group` values of the group texts, and see that groups and sources fit."""
        groups = [_group(text, self["port"]) for text in self["groups"] or DEFAULT_GROUPS]
        try:
            sources_of(groups, self["sources"])
        except ValueError as error:
            raise UsageError(str(error)) from None
        self["groups"] = groups


def make_echo_service(reactor: Any, options: EchoOptions) -> EchoService:
    """Return the service that the options describe.

    It waits for the interfaces that it is to use: a machine boots before its network.
    """
    rules = EchoRules(
        options["reply"], options["max_rate"], not options["no-loopback"], bool(options["answer-group"])
    )
    service = EchoService(
        reactor,
        options["groups"],
        rules,
        interfaces=options["interfaces"],
        sources=options["sources"],
        ttl=options["ttl"],
    )
    service.responder.waits_for_interfaces = True
    return service


def _group(text: str, default_port: int) -> Group:
    try:
        if meant := port_in_address(text):
            raise ValueError(f"{text}: {meant}")
        return Group.parse(text, default_port)
    except ValueError as error:
        raise UsageError(f"--group {error}") from None


def _number(option: str, text: str, minimum: int, maximum: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = minimum - 1
    if not minimum <= number <= maximum:
        raise UsageError(f"--{option} {text}: not a number from {minimum} to {maximum}")
    return number
