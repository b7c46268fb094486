"""List the services of some types on the local network, or of all types.

TYPE is like _http._tcp, or _http._tcp,_printer for one of its subtypes; several subtypes mean any
of them. The list ends when nothing new has come for a while; with --follow it goes on until Ctrl-C, and each
line begins with + for a service that has come, = for one that is different now, - for one that has gone.
With the name _services._dns-sd._udp the types themselves are listed, or followed.

With --domain DOMAIN the services of another domain than local are listed, as DNS servers tell them.

exit status: 0 services were found, 1 none was found, 2 error
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred

from mcast.cli.command import GOOD, NOT_ALL, CommandError, Output, checked, decimal, tell
from mcast.cli.finding import (
    add_domain_arguments,
    add_node_arguments,
    chosen_place,
    is_asking,
    plain_addresses,
    plain_attributes,
    plain_endpoint,
    plain_name,
    service_fields,
    started_node,
)
from mcast.cli.writing import writable
from mcast.dns.names import Name
from mcast.dnssd.found import Added, Change, FoundService, Removed, TypeAdded, TypeChange
from mcast.dnssd.sought import sought_types
from mcast.dnssd.types import ServiceType, is_type_enumeration
from mcast.last_look import LastLook
from mcast.node.beyond import Where
from mcast.node.browsers import ServiceBrowser, TypesBrowser
from mcast.node.network import Network
from mcast.node.node import Node, searches_of
from mcast.showing import shown

if TYPE_CHECKING:
    from mcast.cli.browse_map import BrowseMap

QUIET = 2.0
"""Seconds without news after which a list of names is taken to be complete.

Our choice: an answer may be 120 ms late, and the question is repeated after one second (RFC 6762 §5.2, §6).
"""

QUIET_RESOLVING = 3.5
"""The same when services are resolved: the patience with a host that does not tell its addresses, and some
time more."""

QUIET_BEYOND = 0.5
"""The same while no question is waiting for the answer of a DNS server. Our choice: then all is known."""

UNLOCATED = 5
"""Names that are told of services that do not say where they are. Our choice: a line or two."""

MAX_UNLISTED = 1024
"""Types that are browsed for although they are listed no more, while services of theirs are left.

Our choice: as many as are listed; in a flood of invented types the first of them are taken for gone.
"""

CHECK = '; "mcast interfaces --check" tells whether multicast works here'
"""What a person reads who finds nothing at all."""

MARKS = {"added": "+", "updated": "=", "removed": "-"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``mcast browse``."""
    parser.add_argument(
        "type",
        default=(),
        metavar="TYPE[,SUBTYPE…]",
        nargs="*",
        type=checked(_checked_types),
        help="such as _http._tcp or _http._tcp,_printer (default: all types)",
    )
    parser.add_argument("-r", "--resolve", action="store_true", help="show host, port, addresses and TXT too")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    parser.add_argument(
        "-w",
        "--wait",
        type=decimal(0),
        metavar="SECONDS",
        help=f"end after so long without news (default: {QUIET}, when resolving {QUIET_RESOLVING})",
    )
    parser.add_argument(
        "--map", metavar="FILE.svg", type=checked(writable), help="draw links, hosts and services at the end"
    )
    add_node_arguments(parser)
    add_domain_arguments(parser)


def _checked_types(text: str) -> str:
    """Check a type and its subtypes; whatever can be published can be browsed for.

    :raises ValueError: naming the part that is wrong.
    """
    if not is_type_enumeration(text):
        sought_types(text)
    return text


def _map(path: str) -> BrowseMap:
    from mcast.cli.browse_map import BrowseMap  # few draw

    return BrowseMap(path)


async def run(
    reactor: Any, arguments: argparse.Namespace, output: Output, network: Network | None = None
) -> int:
    """Run ``mcast browse``; return the exit status."""
    # A program that reads JSON gets all fields, whether it thought of asking or not.
    resolve = arguments.resolve or output.json or arguments.map is not None
    place = chosen_place(arguments)
    wait = _wait(arguments, resolve, place)
    only_types = _only_types(arguments)
    drawn = None if arguments.map is None else _map(arguments.map)
    listing = Listing(output, resolve=arguments.resolve or output.json, follow=arguments.follow)
    types = TypesListing(output, follow=arguments.follow)
    node = started_node(reactor, arguments, network, patient=arguments.follow, beyond=place.is_beyond)
    done: Deferred[None] = Deferred()
    quiet = _Quiet(reactor, wait, done, searches_of(node).received, lambda: is_asking(node, place))
    there: Any = {"domain": place.domain, "server": arguments.server}

    def changed(change: Change) -> None:
        quiet.news()
        listing.change(change)
        if drawn is not None:
            drawn.change(change)

    def type_changed(change: TypeChange) -> None:
        quiet.news()
        types.change(change, type_browser.interfaces(change.type))

    browser: AllTypes | ServiceBrowser | TypesBrowser
    if only_types:
        browser = type_browser = node.browse_types(**there)
        type_browser.add_listener(type_changed)
    elif not arguments.type:
        browser = AllTypes(node, changed, quiet.news, resolve=resolve, **there)
    else:
        browser = node.browse(*arguments.type, resolve=resolve, **there)
        browser.add_listener(changed)
    trouble = None
    unlocated: tuple[Name, ...] = ()
    try:
        await done
    except CancelledError:
        pass
    finally:
        trouble = browser.trouble
        unlocated = browser.hurry() if isinstance(browser, AllTypes | ServiceBrowser) and resolve else ()
        # First, so that what we no longer see is not taken for gone.
        browser.close()
        quiet.stop()
        await node.stopService()
    listing.end()
    types.end()
    if drawn is not None:
        drawn.write()
    if types.found:
        return GOOD
    if not arguments.follow:
        _tell_unlocated(unlocated)
    missing = _nothing_found(arguments.type, wait, is_beyond=place.is_beyond)
    return _told_at_the_end(listing, trouble or missing)


def _told_at_the_end(listing: Listing, missing: str) -> int:
    """Say why a person sees nothing, and return the exit status."""
    if listing.found and listing.has_gone:
        tell("browse", "what was found has gone again")
    elif not listing.found:
        tell("browse", missing)
    return GOOD if listing.found else NOT_ALL


def _only_types(arguments: argparse.Namespace) -> bool:
    """Tell whether types are listed, and no services.

    :raises CommandError: something else is asked for with them.
    """
    only_types = any(map(is_type_enumeration, arguments.type))
    if only_types and len(arguments.type) > 1:
        raise CommandError(f"{' '.join(arguments.type)}: the list of all types is asked for alone")
    if only_types and arguments.map is not None:
        raise CommandError(f"--map: shows services, and {arguments.type[0]} lists types")
    return only_types


def _wait(arguments: argparse.Namespace, resolve: bool, place: Where) -> float | None:
    """Return after how many seconds without news the list ends; None for never."""
    if arguments.follow:
        return None
    if arguments.wait is None and place.is_beyond:
        return QUIET_BEYOND
    if arguments.wait is None:
        return QUIET_RESOLVING if resolve else QUIET
    return float(arguments.wait)


def _nothing_found(types: Sequence[str], wait: float | None, *, is_beyond: bool) -> str:
    kinds = f"service of {', '.join(types)}" if types else "service"
    if any(map(is_type_enumeration, types)):
        kinds = "service type"
    limit = "" if wait is None else f" within {wait:g} s of silence"
    # One kind may well be missing; that there is nothing at all is more often a fault.
    hint = "" if types else CHECK * (not is_beyond)
    return f"no {kinds} was found{limit}{hint}"


def _tell_unlocated(unlocated: Sequence[Name]) -> None:
    """Tell of services that are listed and not shown."""
    if unlocated:
        names = [plain_name(name) for name in unlocated[:UNLOCATED]]
        more = f" and {len(unlocated) - UNLOCATED} more" * (len(unlocated) > UNLOCATED)
        tell("browse", f"listed, but nobody says on which host: {', '.join(names)}{more}")


class _Quiet:
    """Fires when there was no news for some time.

    :param wait: seconds; None to wait for ever.
    :param received: tells how much was received so far.
    :param is_asking: tells whether there may be news soon, so that the end is put off.
    """

    def __init__(
        self,
        reactor: Any,
        wait: float | None,
        done: Deferred[None],
        received: Callable[[], int],
        is_asking: Callable[[], bool],
    ) -> None:
        self._wait = wait
        self._done = done
        self._is_asking = is_asking
        # What waits for a server and ends is as good as something that was read.
        self._end = LastLook(reactor, self._look, lambda: (received(), is_asking()))
        self._look_later()

    def _look_later(self) -> None:
        if self._wait is not None:
            self._end.end_in(self._wait)

    def _look(self) -> None:
        if self._is_asking():
            self._look_later()
        else:
            self._done.callback(None)

    def news(self) -> None:
        """Begin to wait anew."""
        if self._end.is_waiting:
            self._look_later()

    def stop(self) -> None:
        """Wait no longer."""
        self._end.cancel()


class AllTypes:
    """Browses for every service type there is, as types come and go (RFC 6763 §9).

    :param changed: called with each change of a service.
    :param news: called when a type has come.
    """

    def __init__(
        self,
        node: Node,
        changed: Callable[[Change], object],
        news: Callable[[], object],
        *,
        resolve: bool,
        **there: Any,
    ) -> None:
        self._node = node
        self._there = there
        self._changed = changed
        self._news = news
        self._resolve = resolve
        self._browsers: dict[ServiceType, ServiceBrowser] = {}
        self._unlisted: dict[ServiceType, None] = {}
        """Those that are listed no more."""
        self._types = node.browse_types(**there)
        self._types.add_listener(self._type_changed)

    @property
    def trouble(self) -> str | None:
        """Why nothing can be asked, in one line; None when it can."""
        return self._types.trouble

    def hurry(self) -> tuple[Name, ...]:
        """Have what is known of each service told now; see `ServiceBrowser.hurry`."""
        return tuple([name for browser in tuple(self._browsers.values()) for name in browser.hurry()])

    def close(self) -> None:
        """Browse no longer."""
        self._types.close()
        for browser in self._browsers.values():
            browser.close()

    def _type_changed(self, change: TypeChange) -> None:
        if not isinstance(change, TypeAdded):
            self._unlisted[change.type] = None
            self._tidy(change.type)
            if len(self._unlisted) > MAX_UNLISTED:
                self._give_up(next(iter(self._unlisted)))
            return
        self._unlisted.pop(change.type, None)
        if change.type not in self._browsers:
            self._news()
            browser = self._node.browse(change.type, resolve=self._resolve, **self._there)
            self._browsers[change.type] = browser
            browser.add_listener(partial(self._service_changed, change.type))

    def _service_changed(self, service_type: ServiceType, change: Change) -> None:
        self._changed(change)
        if isinstance(change, Removed):
            self._tidy(service_type)

    def _tidy(self, service_type: ServiceType) -> None:
        """Browse no longer for a type that is not listed and of which no service is left.

        The last host of a type may go without taking back that it exists, or the other way round.
        """
        browser = self._browsers.get(service_type)
        if browser is not None and service_type in self._unlisted and not browser.snapshot():
            self._give_up(service_type)

    def _give_up(self, service_type: ServiceType) -> None:
        """Browse no longer for a type; what was shown of it is shown no more."""
        del self._unlisted[service_type]
        browser = self._browsers.pop(service_type)
        services = browser.snapshot()
        browser.close()
        for service in services:
            self._changed(Removed(service))


class Listing:
    """Prints services: changes as they come, or for people one table at the end.

    :param now: tells the time, in seconds since 1970.
    """

    def __init__(
        self, output: Output, *, resolve: bool, follow: bool, now: Callable[[], float] = time.time
    ) -> None:
        self.found = False
        """Was there any service?"""
        self._output = output
        self._resolve = resolve
        self._follow = follow
        self._now = now
        self._services: dict[bytes, FoundService] = {}

    def change(self, change: Change) -> None:
        """Take in what has happened to a service."""
        event = _event(change)
        service = change.service
        self.found = self.found or event != "removed"
        self._output.event(event=event, **service_fields(service), time=self._now())
        if self._follow:
            self._output.text("  ".join([MARKS[event], *filter(None, self._row(service))]))
        elif event == "removed":
            self._services.pop(service.full_name.key, None)
        else:
            self._services[service.full_name.key] = service

    @property
    def has_gone(self) -> bool:
        """Whether there was a service, and the table has none."""
        return self.found and not (self._follow or self._services)

    def end(self) -> None:
        """Print the table, if there is to be one."""
        if not self._services:
            return
        head = ["NAME", "TYPE", "INTERFACE"]
        if self._resolve:
            head += ["HOST", "ADDRESS", "TXT"]
        services = sorted(
            self._services.values(),
            key=lambda one: (one.type.key, one.full_name.labels[0].lower(), one.full_name.key),
        )
        self._output.table([head, *map(self._row, services)], lead=3)

    def _row(self, service: FoundService) -> list[str]:
        kind = str(service.type)
        if service.subtypes:
            kind = ",".join([kind, *map(shown, service.subtypes)])
        row = [shown(service.name), kind, " ".join(service.interfaces)]
        if self._resolve:
            row += [plain_endpoint(service), plain_addresses(service), plain_attributes(service)]
        return row


class TypesListing:
    """Prints service types: changes as they come, or for people one table at the end.

    :param now: tells the time, in seconds since 1970.
    """

    def __init__(self, output: Output, *, follow: bool, now: Callable[[], float] = time.time) -> None:
        self.found = False
        """Was there any type?"""
        self._output = output
        self._follow = follow
        self._now = now
        self._types: dict[ServiceType, str] = {}

    def change(self, change: TypeChange, interfaces: Sequence[str]) -> None:
        """Take in that a type has come or gone."""
        event = "added" if isinstance(change, TypeAdded) else "removed"
        self.found = self.found or event == "added"
        self._output.event(event=event, type=str(change.type), interfaces=list(interfaces), time=self._now())
        if self._follow:
            self._output.text("  ".join(filter(None, [MARKS[event], str(change.type), *interfaces])))
        elif event == "removed":
            self._types.pop(change.type, None)
        else:
            self._types[change.type] = " ".join(interfaces)

    def end(self) -> None:
        """Print the table, if there is to be one."""
        rows = [[str(each), where] for each, where in sorted(self._types.items(), key=lambda one: one[0].key)]
        if rows:
            self._output.table([["TYPE", "INTERFACE"], *rows], lead=2)


def _event(change: Change) -> str:
    if isinstance(change, Added):
        return "added"
    return "removed" if isinstance(change, Removed) else "updated"
