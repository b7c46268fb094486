"""The numbers that a node tells of itself; docs/metrics.md says what each means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from mcast.dns.records import Record, show_type
from mcast.node.beyond import Beyond
from mcast.node.domain_publishers import DomainPublishers
from mcast.node.links import Links
from mcast.node.publisher import Publisher
from mcast.node.searches import Searches


def statistics(
    links: Links,
    publisher: Publisher,
    domains: DomainPublishers,
    searches: Searches,
    beyond: Beyond,
) -> dict[str, Any]:
    """Return what `Node.statistics` returns."""
    with links.calling():
        for driver in links:
            driver.link.querier.take_in_unasked()
    items = list(publisher)
    return {
        "node": {
            "links": len(links),
            "links working": sum(driver.is_working for driver in links),
            "names": len(items),
            "names claimed": sum(item.is_claimed for item in items),
            "conflicts": publisher.counters["conflicts"],
            "renames": publisher.counters["renames"],
            "left without goodbye": publisher.counters["left without goodbye"],
        },
        "ports": links.port_counters(),
        "links": {driver.label: dict(driver.link.counters) for driver in links},
        "links gone": dict(links.gone),
        "caches": {driver.label: driver.link.querier.gauges() for driver in links},
        "published": {driver.label: _types_of(driver.link.responder.records()) for driver in links},
        "searches": searches.counters(),
        "domains": beyond.statistics(),
        "registered": domains.statistics(),
        "limits": _limits(links, searches),
        "trouble": links.trouble,
        "times": {
            "claim": publisher.claiming.as_dict(),
            "resolve": searches.resolving.as_dict(),
            "lookup": searches.looking_up.as_dict(),
        },
    }


def _limits(links: Links, searches: Searches) -> dict[str, dict[str, dict[str, Any]]]:
    """Return by link, or by family for what its links share, which limits were reached, and by whom most."""
    found = searches.strain.numbers()
    for label, causes in links.limits().items():
        found.setdefault(label, {}).update(causes)
    return found


def _types_of(records: Iterable[Record]) -> dict[str, int]:
    return dict(Counter(show_type(record.type) for record in records))
