"""Makes recordings for tests."""

from __future__ import annotations

from mcast.cli.top.packets import Packet
from mcast.cli.top.recorded import Recorder
from mcast.dns.names import Name
from mcast.dnssd.found import Added, Removed, Updated
from mcast.live.hearing import Hearing
from mcast.live.model import Model
from tests.cli.top.test_program import HOSTILE
from tests.live.model_lab import ETH0, found, host_record, query, response

NAMES = ("Web", "漢字テスト", "Émile’s Café 🎵", "עברית", "<script>alert(1)</script>")


def record(path: str, *, services: int = 0) -> None:
    """Write ten seconds of a small network: services come, one changes, one goes.

    :param services: how many more there are from the begin.
    """
    model = Model()
    hearing = Hearing(model)
    now = 100.0
    with open(path, "w", encoding="ascii") as stream:
        recorder = Recorder(stream)
        model.link(ETH0, True, now)
        model.watcher("desk.local", None)
        labels = [name.encode() for name in (*NAMES, HOSTILE)] + [
            b"s%d" % number for number in range(services)
        ]
        known = [found(full_name=Name.from_labels((label, b"_http", b"_tcp", b"local"))) for label in labels]
        for service in known:
            model.service(Added(service), now)
        model.commit(now, 1_790_000_000.0)
        recorder.document(model.snapshot)
        for second in range(10):
            now += 1.0
            payload = query() if second % 2 else response(host_record())
            hearing.datagram(payload, ("10.0.1.2", 5353), ETH0, now)
            recorder.packet(Packet(second, now, "eth0/IPv4", "10.0.1.2", 5353, payload))
            if second == 3:
                model.service(Updated(found("Web", port=81), found("Web")), now)
            if second == 5:
                model.service(Removed(known[1]), now)
            delta = model.commit(now, 1_790_000_000.0 + now - 100)
            assert delta is not None
            recorder.document(delta)
