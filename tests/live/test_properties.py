"""Any course of events: the deltas applied to an earlier snapshot give the later one."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.dnssd.found import Added, Removed
from mcast.live.documents import apply_delta
from mcast.live.hearing import Hearing
from mcast.live.model import Model
from mcast.live.recording import encode_line, read_recording
from tests.live.model_lab import ETH0, ETH0_6, ETH1, found, host_record, query, response

_small = st.integers(1, 4)
_links = st.sampled_from([ETH0, ETH0_6, ETH1])
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("query"), _small, _links),
        st.tuples(st.just("announce"), _small, _small, _links),
        st.tuples(st.just("goodbye"), _small, _small),
        st.tuples(st.just("added"), _small, _small),
        st.tuples(st.just("removed"), _small, _small),
        st.tuples(st.just("link"), _links, st.sampled_from([True, False, None])),
        st.tuples(st.just("mac"), _small, _small),
        st.tuples(st.just("rtt"), _small, st.sampled_from([0.001, None])),
        st.tuples(st.just("noise"), st.binary(max_size=60)),
        st.tuples(st.just("wait"), st.sampled_from([0.1, 1.0, 11.0, 700.0, 5000.0])),
    ),
    max_size=40,
)


class _Run:
    def __init__(self) -> None:
        self.model = Model()
        self.hearing = Hearing(self.model)
        self.now = 0.0

    def do(self, what: str, *of: Any) -> None:
        getattr(self, f"_{what}")(*of)

    def _hear(self, payload: bytes, host: int, link: Any) -> None:
        source = f"fe80::{host}" if link.ipv6 else f"10.0.1.{host}"
        self.hearing.datagram(payload, (source, 5353), link, self.now)

    def _query(self, host: int, link: Any) -> None:
        self._hear(query(), host, link)

    def _announce(self, name: int, host: int, link: Any) -> None:
        address = f"fe80::{host}" if link.ipv6 else f"10.0.1.{host}"
        self._hear(response(host_record(f"n{name}", address)), host, link)

    def _goodbye(self, name: int, host: int) -> None:
        self._hear(response(host_record(f"n{name}", f"10.0.1.{host}", ttl=0)), host, ETH0)

    def _added(self, number: int, host: int) -> None:
        change = Added(found(f"S{number}", f"n{host}", address=f"10.0.1.{host}"))
        self.model.service(change, self.now)

    def _removed(self, number: int, host: int) -> None:
        self.model.service(Removed(found(f"S{number}", f"n{host}")), self.now)

    def _link(self, link: Any, working: bool | None) -> None:
        self.model.link(link, working, self.now)

    def _mac(self, host: int, mac: int) -> None:
        self.model.hosts.neighbour(f"10.0.1.{host}", f"02:00:00:00:00:0{mac}", None)

    def _rtt(self, host: int, seconds: float | None) -> None:
        self.model.round_trip(f"h{host}", seconds, self.now)

    def _noise(self, payload: bytes) -> None:
        self._hear(payload, 1, ETH0)

    def _wait(self, seconds: float) -> None:
        self.now += seconds


class DeltaTests(SynchronousTestCase):
    """Deltas and snapshots say the same."""

    @settings(deadline=None, max_examples=150)
    @given(_steps, st.integers(0, 40))
    def test_deltas_lead_to_the_later_snapshot(self, steps: list[tuple[Any, ...]], joined_after: int) -> None:
        run = _Run()
        state: dict[str, Any] | None = None
        lines = []
        for number, step in enumerate(steps):
            run.do(*step)
            delta = run.model.commit(run.now)
            if state is not None and delta is not None:
                apply_delta(state, json.loads(json.dumps(delta)))
                lines.append(encode_line(delta))
            if number == joined_after or state is None:
                state = json.loads(json.dumps(run.model.snapshot))
                lines = [encode_line(run.model.snapshot)]
        last = json.loads(json.dumps(run.model.snapshot))
        if state is not None:
            self.assertEqual(state, last)
            self.assertEqual([*read_recording(lines)][-1], last)
        self._is_consistent(last)

    def _is_consistent(self, state: dict[str, Any]) -> None:
        """Each address and name is of one host, and what refers to a host that is there agrees with it."""
        for field in ("addresses", "names"):
            every = [each for host in state["hosts"].values() for each in host[field]]
            self.assertEqual(len(every), len(set(every)))
        on: dict[str, int] = dict.fromkeys(state["hosts"], 0)
        for service in state["services"].values():
            if service["gone"] is None and service["host_id"] in on:
                on[service["host_id"]] += 1
        self.assertEqual({key: host["services"] for key, host in state["hosts"].items()}, on)
