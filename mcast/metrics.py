"""The numbers of nodes and Discovery Proxies as OpenMetrics text, for Prometheus and compatible programs.

It needs the extra ``metrics`` (prometheus-client), so nothing else in mcast imports it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Request

from mcast.node.node import Node
from mcast.proxy.discovery_proxy import DiscoveryProxy

try:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
    from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
    from prometheus_client.registry import Collector, CollectorRegistry
except ImportError as error:
    raise ImportError("mcast.metrics needs prometheus-client: pip install 'txmcast[metrics]'") from error

__all__ = ["MetricsResource", "NodeCollector", "openmetrics"]

GONE = "(gone)"
"""Stands for the interface where the counters are those of links that are gone."""

_DOMAIN_GAUGES = frozenset({"questions", "records", "pushed", "waiting"})
"""The numbers of a domain that go up and down."""

_REGISTERED_GAUGES = frozenset({"names", "names claimed", "trouble"})
"""Likewise of a domain that is registered in."""


_RECEIVED = {
    "queries received": "query",
    "responses received": "response",
    # Recognised by their octets, and not counted among the other queries.
    "ready answers": "query with ready answer",
}
_SENT = {
    "queries sent": "query",
    "probes": "probe",
    "multicast responses": "multicast response",
    "unicast responses": "unicast response",
    "legacy responses": "legacy response",
    "ready answers": "ready answer",
    "goodbyes": "goodbye",
}
_DROPPED = frozenset(
    {
        "answers over octet rate",
        "answers over rate",
        "datagrams with opcode or rcode",
        "malformed datagrams",
        "oversized datagrams",
        "queries from off the link",
        "received while down",
        "responses from another port",
        "responses from off the link",
        "unanswerable sources",
        "unsolicited unicast responses",
    }
)
_RECORDS = frozenset({"goodbyes for nothing", "malformed records"})
"""Counters of records whose names do not begin with "records"."""

_NODE_GAUGES = ("links", "links working", "names", "names claimed")
_NODE_COUNTERS = ("conflicts", "renames")


_PROXY_GAUGES = frozenset({"sessions", "subscriptions", "answers followed"})
"""The numbers of a proxy, outside of its part "now", that go up and down."""


_TIMES = {
    "claim": "How long names took to be claimed on all links",
    "resolve": "How long services took to be found by name",
    "lookup": "How long addresses of hosts took to be found",
}


class NodeCollector(Collector):
    """A collector for a registry of prometheus-client; it asks the nodes whenever the registry is read.

    :param nodes: nodes, and proxies, whose nodes need not be named beside them. Each node gets the label
        ``node``, its host name at the time when this is made; the second node of the same name gets ``#2``.
        A proxy has the label of its node.
    """

    def __init__(self, *nodes: Node | DiscoveryProxy) -> None:
        self._nodes: dict[str, Node] = {}
        self._proxies: list[tuple[str, DiscoveryProxy]] = []
        for told in nodes:
            if isinstance(told, DiscoveryProxy):
                self._proxies.append((self._label(told.node), told))
            else:
                self._label(told)

    def _label(self, node: Node) -> str:
        for label, known in self._nodes.items():
            if known is node:
                return label
        label, number = node.hostname, 2
        while label in self._nodes:
            label, number = f"{node.hostname}#{number}", number + 1
        self._nodes[label] = node
        return label

    def __repr__(self) -> str:
        return f"<NodeCollector {' '.join(self._nodes)}>"

    def describe(self) -> Iterable[Metric]:
        """Return the metrics without numbers, from which the registry learns their names."""
        return _Families()

    def collect(self) -> Iterable[Metric]:
        """Return the metrics as they are now."""
        families = _Families()
        for label, node in self._nodes.items():
            families.add(label, node.statistics())
        for label, proxy in self._proxies:
            families.proxies.add(label, proxy.statistics())
        return families


class MetricsResource(Resource):
    """A leaf for a `twisted.web` site that answers GET with OpenMetrics text.

    :param nodes: the nodes and proxies to tell of; see `NodeCollector`.
    """

    isLeaf = True

    def __init__(self, *nodes: Node | DiscoveryProxy) -> None:
        super().__init__()
        self._nodes = nodes
        self._registry = _registry_of(*nodes)

    def __repr__(self) -> str:
        return f"<MetricsResource {' '.join(map(repr, self._nodes))}>"

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"content-type", CONTENT_TYPE_LATEST.encode("ascii"))
        return bytes(generate_latest(self._registry))


def _registry_of(*nodes: Node | DiscoveryProxy) -> CollectorRegistry:
    """Return a registry that holds some nodes and nothing else."""
    registry = CollectorRegistry()
    registry.register(NodeCollector(*nodes))
    return registry


def openmetrics(*nodes: Node | DiscoveryProxy) -> str:
    """Return the OpenMetrics text of some nodes and proxies (https://prometheus.io/docs/specs/om/open_metrics_spec/)."""
    return str(generate_latest(_registry_of(*nodes)), "utf-8")


class _Domains:
    """What goes on with DNS servers, by domain.

    :param gauges: the numbers that go up and down.
    """

    def __init__(self, name: str, now: str, so_far: str, gauges: frozenset[str]) -> None:
        self.now = GaugeMetricFamily(name, now, None, ["node", "domain", "of"])
        self.events = CounterMetricFamily(f"{name}_events", so_far, None, ["node", "domain", "event"])
        self._gauges = gauges

    def add(self, node: str, domains: Mapping[str, Mapping[str, Any]]) -> None:
        """Take in the numbers of a node; of a trouble only whether there is one."""
        for domain, numbers in domains.items():
            for name, value in numbers.items():
                family = self.now if name in self._gauges else self.events
                family.add_metric([node, domain, name], value if isinstance(value, int) else bool(value))


def _asked_of_servers() -> _Domains:
    now, so_far = "What is asked of DNS servers now, by domain", "What came of asking DNS servers"
    return _Domains("mcast_domain", now, so_far, _DOMAIN_GAUGES)


def _registered_on_servers() -> _Domains:
    now, so_far = (
        "What is registered on DNS servers now, by domain",
        "What came of registering on DNS servers",
    )
    return _Domains("mcast_registered", now, so_far, _REGISTERED_GAUGES)


class _Proxies:
    """What Discovery Proxies answer and push."""

    def __init__(self) -> None:
        labels = ["node", "part"]
        self.now = GaugeMetricFamily("mcast_proxy", "What a proxy has open now", None, [*labels, "of"])
        self.events = CounterMetricFamily(
            "mcast_proxy_events", "What a proxy did, and left undone", None, [*labels, "event"]
        )

    def add(self, node: str, statistics: Mapping[str, Mapping[str, int]]) -> None:
        """Take in what `DiscoveryProxy.statistics` returned."""
        for part, numbers in statistics.items():
            for name, value in numbers.items():
                is_gauge = part == "now" or name in _PROXY_GAUGES
                family = self.now if is_gauge else self.events
                family.add_metric([node, part, name], value)


class _Limits:
    """The metrics of limits that are reached."""

    def __init__(self) -> None:
        labels = ["node", "interface", "family", "limit"]
        self.reached = CounterMetricFamily(
            "mcast_limits_reached", "How often a limit was reached", None, labels
        )
        self.most = GaugeMetricFamily(
            "mcast_limits_reached_most",
            "How often the source did that reached the limit most",
            None,
            [*labels, "source"],
        )

    def add(self, node: str, limits: Mapping[str, Any]) -> None:
        """Take in the part of `Node.statistics` that is theirs."""
        for label, causes in limits.items():
            # The port of a family serves all interfaces.
            interface, _, family = label.rpartition("/")
            for cause, reached in causes.items():
                place = [node, interface, family, cause]
                self.reached.add_metric(place, reached["count"])
                self.most.add_metric([*place, reached["by"]], reached["most"])


class _Families:
    """The metrics of one reading."""

    def __init__(self) -> None:
        link = ("node", "interface", "family")
        self._node_gauges = {
            name: GaugeMetricFamily(
                f"mcast_{name.replace(' ', '_')}", f"{name} now".capitalize(), None, ["node"]
            )
            for name in _NODE_GAUGES
        }
        self._node_counters = {
            name: CounterMetricFamily(f"mcast_{name}", f"{name} so far".capitalize(), None, ["node"])
            for name in _NODE_COUNTERS
        }
        self._received = CounterMetricFamily(
            "mcast_packets_received", "Packets taken in, by kind", None, [*link, "kind"]
        )
        self._sent = CounterMetricFamily("mcast_packets_sent", "Packets sent, by kind", None, [*link, "kind"])
        self._dropped = CounterMetricFamily(
            "mcast_packets_dropped", "Packets dropped, by cause", None, [*link, "cause"]
        )
        self._records = CounterMetricFamily(
            "mcast_records", "Records heard and sent, by what became of them", None, [*link, "kind"]
        )
        self._events = CounterMetricFamily(
            "mcast_events", "What else happened on a link", None, [*link, "event"]
        )
        self._port = CounterMetricFamily(
            "mcast_port_datagrams", "What the sockets count", None, ["node", "family", "kind"]
        )
        self._cache = {
            name: GaugeMetricFamily(f"mcast_cache_{name}", help_text, None, link)
            for name, help_text in (
                ("records", "Records in the cache"),
                ("octets", "Octets that the cache takes"),
            )
        }
        self._questions = GaugeMetricFamily("mcast_questions", "Questions that are being asked", None, link)
        self._published = GaugeMetricFamily(
            "mcast_published_records", "Records that are published, by type", None, [*link, "type"]
        )
        self._searches = CounterMetricFamily(
            "mcast_searches_dropped", "What searches heard and left alone, by cause", None, ["node", "cause"]
        )
        self._domains, self._registered = _asked_of_servers(), _registered_on_servers()
        self.proxies = _Proxies()
        self._limits = _Limits()
        self._times = {
            name: SummaryMetricFamily(f"mcast_{name}_seconds", help_text, labels=["node"], unit="seconds")
            for name, help_text in _TIMES.items()
        }
        self._longest = GaugeMetricFamily(
            "mcast_longest_seconds",
            "The longest time to claim, resolve or look up",
            None,
            ["node", "of"],
            unit="seconds",
        )
        self._failures = CounterMetricFamily(
            "mcast_failures", "What was claimed, resolved or looked up in vain", None, ["node", "of"]
        )

    def __iter__(self) -> Iterator[Metric]:
        yield from self._node_gauges.values()
        yield from self._node_counters.values()
        yield from (self._received, self._sent, self._dropped, self._records, self._events, self._port)
        yield from self._cache.values()
        yield from (self._questions, self._published, self._searches, self._limits.reached, self._limits.most)
        for domains in (self._domains, self._registered):
            yield from (domains.now, domains.events)
        yield from (self.proxies.now, self.proxies.events)
        yield from self._times.values()
        yield from (self._longest, self._failures)

    def add(self, node: str, statistics: Mapping[str, Any]) -> None:
        """Take in what `Node.statistics` returned."""
        for name, gauge in self._node_gauges.items():
            gauge.add_metric([node], statistics["node"][name])
        for name, counter in self._node_counters.items():
            counter.add_metric([node], statistics["node"][name])
        for family, counters in statistics["ports"].items():
            for kind, value in counters.items():
                self._port.add_metric([node, family, kind], value)
        for label, counters in statistics["links"].items():
            self._add_link([node, *label.rsplit("/", 1)], counters)
        self._add_link([node, GONE, ""], statistics["links gone"])
        for label, gauges in statistics["caches"].items():
            place = [node, *label.rsplit("/", 1)]
            for name, gauge in self._cache.items():
                gauge.add_metric(place, gauges[name])
            self._questions.add_metric(place, gauges["questions"])
        for label, types in statistics["published"].items():
            for rtype, count in types.items():
                self._published.add_metric([node, *label.rsplit("/", 1), rtype], count)
        for cause, value in statistics["searches"].items():
            self._searches.add_metric([node, cause], value)
        self._domains.add(node, statistics["domains"])
        self._registered.add(node, statistics["registered"])
        self._limits.add(node, statistics["limits"])
        for name, summary in self._times.items():
            times = statistics["times"][name]
            summary.add_metric([node], times["count"], times["sum"])
            self._longest.add_metric([node, name], times["max"])
            self._failures.add_metric([node, name], times["failures"])

    def _add_link(self, place: list[str], counters: Mapping[str, int]) -> None:
        for name, value in counters.items():
            if name in _RECEIVED:
                self._received.add_metric([*place, _RECEIVED[name]], value)
            if name in _SENT:
                self._sent.add_metric([*place, _SENT[name]], value)
            if name in _DROPPED:
                self._dropped.add_metric([*place, name], value)
            elif name in _RECORDS or name.startswith("records "):
                self._records.add_metric([*place, name.removeprefix("records ")], value)
            elif name not in _RECEIVED and name not in _SENT:
                self._events.add_metric([*place, name], value)
