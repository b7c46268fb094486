"""What `mcast ping --plot` draws: the answers as they came, in bounded space."""

from __future__ import annotations

import time
from collections.abc import Callable

from mcast.cli.command import counted
from mcast.cli.pictures.round_trips import Panel, Series, draw_round_trips
from mcast.cli.writing import write_file
from mcast.echo.session import EchoReply, HeardResponder, Session


class PingPlot:
    """Gathers the answers to the probes of a session, and draws them.

    :param name: what a responder is called.
    """

    def __init__(self, path: str, session: Session, name: Callable[[HeardResponder], str]) -> None:
        self._path = path
        self._session = session
        self._name = name
        self._series: dict[tuple[str, int, int], Series] = {}
        self._sent_by: dict[tuple[str, int, int], int] = {}

    def answer(self, answer: EchoReply) -> None:
        """Note an answer; those to the group, and those that say nothing new, are no points."""
        if answer.duplicate or answer.to_group:
            return
        key = (answer.responder, answer.port, answer.interface)
        if key not in self._series:
            self._series[key] = Series()
            for each in self._session.responders:
                self._sent_by[each.host, each.port, each.interface] = each.sent_on
        at = self._session.sent_after(self._sent_by[key], answer.number)
        if at is not None:
            self._series[key].add(answer.number, at, answer.time)

    def write(self, title: str, interval: float, size: int) -> None:
        """Write the picture.

        :raises CommandError: it cannot be written.
        """
        session = self._session
        panels = [self._panel(each) for each in session.responders]
        when = time.strftime("%Y-%m-%d %H:%M")
        subtitle = (
            f"{counted(session.total_sent, 'probe')} of {size} octets, one each {interval:g} s; "
            f"{counted(len(panels), 'responder')}; {when}"
        )
        write_file(self._path, draw_round_trips(title, subtitle, panels))

    def _panel(self, responder: HeardResponder) -> Panel:
        sent = self._session.sent_to(responder)
        median, p95 = responder.times.percentiles(0.5, 0.95)
        loss = 100 * (sent - responder.received) / sent if sent else 0.0
        low, high = responder.times.minimum, responder.times.maximum
        series = self._series.get((responder.host, responder.port, responder.interface), Series())
        return Panel(
            name=self._name(responder),
            bins=series.bins(),
            lost=self._session.unanswered(responder),
            facts=(
                f"{responder.received} of {sent} answered, loss {loss:.1f} %; min {low * 1000:.3f}, "
                f"median {median * 1000:.3f}, p95 {p95 * 1000:.3f}, max {high * 1000:.3f} ms"
            ),
            times=responder.times.sample(),
            median=median,
            p95=p95,
        )
