"""Ways to have ``twist mcast mdns`` say something else: other messages, other ports, other answers."""

from __future__ import annotations

import socket
from collections.abc import Callable
from copy import copy
from typing import Any

from mcast.dns.messages import Message, Question, decode, encode
from mcast.mdns import outbox
from mcast.mdns.responder import answerer, prepared_answers, siblings, zone
from mcast.mdns.responder.record_set import RecordSet
from mcast.node import network
from tests.conform.mutant import Patch, replace, wrap

OTHER_PORT = 53530
"""Where nothing of Multicast DNS comes from."""

IP_MULTICAST_TTL, IP_MULTICAST_IF = 33, 32
"""As Linux numbers them."""


def no_ready_answers() -> None:
    """Have every query go the long way."""
    replace(prepared_answers.ReadyAnswerer, "answer_ready", lambda *_: None)


def alone_on_this_host() -> None:
    """Take what comes back for ours, since it is not octet by octet what we know to have sent."""
    replace(siblings.Siblings, "hear", lambda *_: False)
    replace(siblings.Siblings, "is_echo", lambda *_: True)


def octets_altered(alter: Callable[[Message, bytes], bytes], *, unicast: bool = False) -> None:
    """Have what is multicast, or sent to single hosts, be the octets that a function returns."""
    no_ready_answers()
    alone_on_this_host()

    def around(real: Patch) -> Patch:
        return lambda self, payload, *rest: real(self, alter(decode(payload), payload), *rest)

    wrap(outbox.Outbox, "unicast" if unicast else "multicast", around)


def said_otherwise(alter: Callable[[Message], Message], *, unicast: bool = False) -> None:
    """Have messages be what a function returns."""
    octets_altered(lambda message, _: encode(alter(message)), unicast=unicast)


def responses_otherwise(**fields: Callable[[Message], Any]) -> None:
    """Have multicast responses with other fields, each made of the message."""

    def alter(message: Message) -> Message:
        if not message.is_response:
            return message
        changed = copy(message)
        for name, make in fields.items():
            setattr(changed, name, make(message))
        return changed

    said_otherwise(alter)


def from_another_port(meant: Callable[[bytes, Any], bool]) -> None:
    """Have IPv4 datagrams leave from another port, where a function of payload and destination says so."""
    no_ready_answers()
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_TTL, 255)
    other.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
    other.bind(("", OTHER_PORT))

    def around(real: Patch) -> Patch:
        def send(self: Any, payload: bytes, interface: int, destination: Any) -> bool:
            if self._ipv6 or not meant(payload, destination):
                return bool(real(self, payload, interface, destination))
            member = bytes(8) + interface.to_bytes(4, "little")
            other.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_IF, member)
            other.sendto(payload, destination or ("224.0.0.251", 5353))
            return True

        return send

    wrap(network.SocketPort, "send", around)


Answers = list[RecordSet]


class Everything:
    """What has everything in it."""

    def __contains__(self, _: object) -> bool:
        return True


class EveryName:
    """A zone that is asked for its answers whatever the name in the question is."""

    names = Everything()

    def __init__(self, real: zone.Zone) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def answers_around(change: Callable[[zone.Zone, Question, Answers], Answers]) -> None:
    """Have questions be answered by what a function makes of the right answers."""
    no_ready_answers()

    def around(real: Patch) -> Patch:
        return lambda self, question: change(self, question, real(self, question))

    def init_around(real: Patch) -> Patch:
        def init(self: Any, *given: Any) -> None:
            real(self, *given)
            self._zone = EveryName(self._zone)

        return init

    wrap(zone.Zone, "answers", around)
    wrap(answerer.Answerer, "__init__", init_around)


def multicast_answers_around(change: Callable[[zone.Zone, Question, Answers], Answers]) -> None:
    """Do the same, and leave the answers to legacy queries as they are."""
    inside = False

    def find_around(real: Patch) -> Patch:
        def find(*given: Any) -> Any:
            nonlocal inside
            inside = True
            try:
                return real(*given)
            finally:
                inside = False

        return find

    wrap(answerer.Answerer, "_find_answers", find_around)
    answers_around(lambda owner, question, found: change(owner, question, found) if inside else found)
