"""The targets of DNS Push: a message, and a session with a server at one end and a client at the other.

An input of ``push-session`` is a sequence of steps as in `fuzz.links`: what happens, how much time passes
before it, and the octets that a stranger says at one end, where the step is one of those. As long as no
stranger spoke, what the client knows is what the server has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fuzz.links import Step, read_steps
from mcast.dns.codes import RecordType, ResponseCode
from mcast.dns.records import Identity, Record, address, alias
from mcast.errors import MalformedMessage
from mcast.unicast.answer_set import AnswerSet
from mcast.unicast.dso import SessionError, Timeouts, read_dso, refuse_dso
from mcast.unicast.dso_session import Ended, Session
from mcast.unicast.push import (
    MAX_PUSH,
    Topic,
    read_push,
    read_reconfirm,
    read_subscribe,
    read_unsubscribe,
    reconfirm_item,
    write_pushes,
)
from mcast.unicast.push_client import PushClient
from mcast.unicast.push_server import PushServer, SubscribeRequested, Unsubscribed
from tests.unicast.push_lab import ANY, HOST, HTTP, POINTER, PTR, SERVICE, SRV, TEXT, TXT, WEB, A

TIMES: Final = (0.0, 0.01, 1.0, 4.9, 5.1, 10.0, 15.0, 29.0, 31.0, 61.0, 3600.0, 7300.0)
"""Seconds between two steps: the times of RFC 8490, a little less and a little more."""

RECORDS: Final = (
    *(POINTER, SERVICE, TEXT, alias(HOST, WEB, 60)),
    *(address(HOST, f"192.0.2.{number}", 60) for number in range(1, 5)),
    *(Record(WEB, TXT, 3, 60, b"\1x"), Record(HTTP, 99, 1, 0, bytes(9000)), POINTER.with_ttl(9)),
)
TOPICS: Final = (
    *(Topic(HTTP, PTR), Topic(WEB, SRV), Topic(WEB, TXT), Topic(WEB, ANY), Topic(WEB, ANY, ANY)),
    *(Topic(HOST, A), Topic(HTTP, ANY), Topic(HOST, RecordType.CNAME)),
)


def dso(data: bytes) -> None:
    """Read a message as everything that it may be, and give it to both ends of a session."""
    for session in (PushServer(0.0), PushClient(0.0)):
        session.receive(data, 0.0)
        session.receive(data, 0.0, early=True)
    pair = Pair()
    pair.client.receive(data, 0.0)
    pair.server.receive(data, 0.0)
    try:
        refuse_dso(data)
        message = read_dso(data)
    except MalformedMessage:
        return
    if message.is_response:
        return
    try:
        changes = read_push(message).changes
    except (MalformedMessage, SessionError):
        changes = []
    again = [each for octets in write_pushes(changes) for each in read_push(read_dso(octets)).changes]
    assert len(again) <= len(changes), "more is written than was read"
    for read in (read_subscribe, read_unsubscribe):
        try:
            read(message)
        except (MalformedMessage, SessionError):
            continue
    try:
        reconfirm_item(read_reconfirm(message))
    except (MalformedMessage, SessionError, ValueError):
        return


class Pair:
    """Both ends of a session, and a zone behind the server."""

    def __init__(self) -> None:
        self.now = 0.0
        self.server = PushServer(0.0)
        self.client = PushClient(0.0)
        self.answers: dict[int, AnswerSet] = {}
        self.zone: dict[Identity, Record] = {}
        self.ids: dict[Topic, int] = {}
        self.refuses = False
        self.is_held = False
        self.is_strange = False
        self.client.establish(0.0)
        self.deliver()

    def deliver(self) -> None:
        """Bring what both ends say to each other, until both are silent."""
        for _ in range(200):
            self.act()
            to_server, to_client = self.client.take_outgoing(), self.server.take_outgoing()
            if not to_server and not to_client:
                for one, other in (self.ends, self.ends[::-1]):
                    if one.ended is not None:
                        other.connection_lost(self.now)
                self.act()
                return
            for octets in to_server:
                self.server.receive(octets, self.now)
            for octets in to_client:
                assert read_dso(octets).is_response or len(octets) <= MAX_PUSH
                self.client.receive(octets, self.now)
        raise AssertionError("the two ends never stop to talk")

    def act(self) -> None:
        """Answer what the server is asked, and let go of what has ended."""
        for event in self.server.take_events():
            if isinstance(event, SubscribeRequested):
                if self.refuses:
                    self.server.refuse(event.id, ResponseCode.NOTAUTH, self.now)
                    continue
                answers = AnswerSet(event.topic)
                answers.change(self.matching(event.topic), [])
                self.answers[event.id] = answers
                self.server.accept(event.id, answers, self.now)
            elif isinstance(event, Unsubscribed):
                self.answers.pop(event.id, None)
        self.client.take_events()

    def matching(self, topic: Topic) -> list[Record]:
        """Return the records of the zone that answer a topic."""
        return [each for each in self.zone.values() if topic.matches(each.name, each.type, each.rclass)]

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with all that is due on the way."""
        end = self.now + seconds
        for _ in range(2000):
            due = [(at, each) for each in self.ends if (at := each.next_timer()) is not None]
            if not due or min(at for at, _ in due) > end:
                break
            at, first = min(due, key=lambda each: each[0])
            self.now = max(self.now, at)
            first.due(self.now)
            self.deliver()
        else:
            raise AssertionError("timers ring without end")
        self.now = end

    @property
    def ends(self) -> tuple[Session, Session]:
        """Both ends."""
        return self.server, self.client

    def check(self) -> None:
        """Compare what both ends know, once all that was said is heard."""
        self.deliver()
        is_open = self.client.ended is None and self.server.ended is None and not self.server.is_closing
        assert is_open or self.is_strange or not any(each.is_fault for each in self.endings), self.endings
        if self.is_strange or self.is_held or not is_open:
            return
        for identifier, answers in self.answers.items():
            known = {record.identity: record.ttl for record in self.client.records(identifier)}
            assert known == {key: record.ttl for key, record in answers.records.items()}, answers.topic

    @property
    def endings(self) -> list[Ended]:
        """How the two ends ended."""
        return [each.ended for each in self.ends if each.ended is not None]

    # The steps

    def change(self, number: int) -> None:
        """Add a record to the zone, or take it out."""
        record = RECORDS[number % len(RECORDS)]
        known = self.zone.pop(record.identity, None)
        removes = known is not None and known.ttl == record.ttl
        if not removes:
            self.zone[record.identity] = record
        for answers in self.answers.values():
            if answers.topic.matches(record.name, record.type, record.rclass):
                answers.change([] if removes else [record], [record] if removes else [])

    def subscribe(self, number: int) -> None:
        """Subscribe to a topic, or cancel that."""
        topic = TOPICS[number % len(TOPICS)]
        identifier = self.ids.pop(topic, None)
        if identifier is not None:
            self.client.unsubscribe(identifier, self.now)
            return
        try:
            self.ids[topic] = self.client.subscribe(topic, self.now)
        except ValueError:
            return

    def step(self, step: Step) -> None:
        """Do one step."""
        self.pass_time(TIMES[step.time % len(TIMES)])
        what, how = step.kind & 15, step.kind >> 4
        doing: dict[int, Callable[[], object]] = {
            4: lambda: self.server.flush(self.now),
            5: lambda: self.hold(how),
            6: lambda: setattr(self, "refuses", bool(how & 1)),
            7: lambda: self.server.refuse(next(iter(self.answers), 0), how, self.now) if how else None,
            8: lambda: self.server.shut_down(how, self.now),
            9: lambda: self.say(self.server, step.packet),
            10: lambda: self.say(self.client, step.packet),
            11: self.doubt,
            12: lambda: self.retime(how),
        }
        if what < 2:
            self.subscribe(how)
        elif what < 4:
            self.change(how)
        elif what in doing:
            doing[what]()
        self.server.flush(self.now)
        self.check()

    def hold(self, how: int) -> None:
        """Let the client read, or not."""
        self.is_held = bool(how & 1)
        (self.server.hold if self.is_held else self.server.release)(self.now)

    def say(self, session: Session, octets: bytes) -> None:
        """Let a stranger speak."""
        self.is_strange = True
        session.receive(octets, self.now)

    def doubt(self) -> None:
        """Reconfirm a record."""
        if self.client.ended is None:
            self.client.reconfirm(POINTER, self.now)

    def retime(self, how: int) -> None:
        """Tell the client other timeouts."""
        if self.server.is_established and not self.server.is_closing:
            self.server.set_timeouts(Timeouts(how, 10 + how), self.now)


def session(data: bytes) -> None:
    """Play a story, and end it."""
    pair = Pair()
    for step in read_steps(data):
        pair.step(step)
    pair.client.close()
    pair.server.connection_lost(pair.now)
    pair.act()
    assert not pair.answers, "a subscription outlives its session"
    assert not any(each.next_timer() for each in pair.ends), "a timer is left"


TARGETS = {"dso": dso, "push-session": session}
