"""One question to DNS servers: whom to ask when, and which response counts (RFC 1035 §4.2, §7.3)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple

from mcast.dns.codes import Flag, ResponseCode
from mcast.dns.messages import Message, Question, decode, encode
from mcast.errors import MalformedMessage
from mcast.unicast.edns import Edns
from mcast.unicast.replies import Verdict, read_answer, show_rcode
from mcast.unicast.servers import ServerAddress

EXCHANGE_TIMEOUT = 9.0
"""Seconds after which nobody has answered.

Our choice: a Discovery Proxy answers after up to six seconds when nobody on its link does (RFC 8766 §5.6),
and its first query may have been lost.
"""

FIRST_PATIENCE = 1.0
"""Seconds until the next server is asked, or the same one anew; twice as long in each round.

Our choice: servers answer within some ten milliseconds, or they wait for others, as a Discovery Proxy does.
"""

_WITHOUT_EDNS: Final = (int(ResponseCode.FORMERR), int(ResponseCode.NOTIMP))
"""What a server says that does not know EDNS(0) (RFC 6891 §7)."""


class Send(NamedTuple):
    """A query to be sent."""

    server: ServerAddress
    payload: bytes
    by_stream: bool
    """By TCP: the response by UDP was truncated."""


class Reply(NamedTuple):
    """The response that counts."""

    message: Message
    server: ServerAddress
    by_stream: bool


@dataclass(frozen=True, slots=True)
class Manner:
    """How a question is asked, and what counts as the response."""

    recursive: bool = True
    """Ask the server to do what it takes (RD)."""
    raw: bool = False
    """Take whatever a server says; otherwise a failure or a referral is no answer."""
    by_stream: bool = False
    """Ask by TCP from the start."""


USUAL: Final = Manner()
"""As a stub resolver asks a recursive server (RFC 1123 §6.1.3.1)."""


class Exchange:
    """A question, and the servers that may answer it; it does no I/O.

    :param servers: in the order in which they are asked.
    :param rng: draws the ID, so that nobody who does not see the query can guess it (RFC 5452 §4.3).
    :param manner: how to ask, and what counts.
    :param without_edns: servers that are known not to understand EDNS(0).
    """

    def __init__(
        self,
        question: Question,
        servers: Sequence[ServerAddress],
        rng: Random,
        manner: Manner = USUAL,
        without_edns: Collection[ServerAddress] = (),
    ) -> None:
        self.question: Final = question
        self.reply: Reply | None = None
        """The response that counts."""
        self.failures: Final[dict[ServerAddress, str]] = {}
        """Why each server has not answered, for people."""
        self.plain: Final = set(without_edns)
        """Servers that do not understand EDNS(0)."""
        self._servers: Final = tuple(servers)
        self._id: Final = rng.randrange(0x10000)
        self._manner: Final = manner
        self._truncated: Final[dict[ServerAddress, Message]] = {}
        self._streams: Final[set[ServerAddress]] = set()
        """Servers that were asked by TCP."""
        self._asked: Final[dict[ServerAddress, int]] = {}
        self._turn = 0
        self._next_at: float | None = None
        self._ends_at = 0.0
        self._sends: list[Send] = []

    @property
    def is_over(self) -> bool:
        """Whether there is a response, or no hope for one."""
        return self.reply is not None or (self._next_at is None and not self._sends)

    def start(self, now: float, timeout: float = EXCHANGE_TIMEOUT) -> None:
        """Ask the first server."""
        self._ends_at = now + timeout
        self._next_at = now
        self.advance(now)

    def take_sends(self) -> list[Send]:
        """Return what is to be sent, and forget it."""
        sends, self._sends = self._sends, []
        return sends

    def next_wakeup(self) -> float | None:
        """Return when to call `advance`; None when it is over."""
        return None if self.reply is not None else self._next_at

    def advance(self, now: float) -> None:
        """Ask the next server, or give up."""
        if self.reply is not None or self._next_at is None or now < self._next_at:
            return
        if now >= self._ends_at:
            for server in self._asked.keys() - self.failures.keys():
                how = "by TCP " if server in self._streams else ""
                self.failures[server] = f"{how}no answer"
            self._next_at = None
            return
        hopeful = [server for server in self._servers if server not in self.failures]
        waiting = [server for server in hopeful if server not in self._streams]
        if not hopeful:
            self._next_at = None
            return
        self._next_at = self._ends_at
        if not waiting:
            return
        # Whoever was asked least often; so all are asked once before one is asked twice.
        server = min(waiting, key=lambda one: self._asked.get(one, 0))
        rounds = self._asked.get(server, 0)
        self._asked[server] = rounds + 1
        self._ask(server, by_stream=self._manner.by_stream)
        self._next_at = min(self._ends_at, now + FIRST_PATIENCE * 2**rounds)

    def _ask(self, server: ServerAddress, *, by_stream: bool) -> None:
        if by_stream:
            self._streams.add(server)
        self._sends.append(Send(server, self._payload(server), by_stream))

    def _payload(self, server: ServerAddress) -> bytes:
        message = Message(
            id=self._id,
            flags=Flag.RECURSION_DESIRED if self._manner.recursive else 0,
            questions=[Question(self.question.name, self.question.type, self.question.rclass)],
        )
        if server not in self.plain:
            message.pseudo = [Edns().record()]
        return encode(message)

    def receive(self, server: ServerAddress, octets: bytes, now: float, *, by_stream: bool) -> bool:
        """Take in what came from a server, from the port that was asked; return whether it was for us.

        Octets that are no response to this very query change nothing: they may be forged (RFC 5452 §9.1).
        """
        if self.reply is not None or server not in self._asked or server in self.failures:
            return False
        try:
            message = decode(octets)
        except MalformedMessage:
            return False
        if not self._is_for_us(message):
            return False
        if message.truncated and not by_stream:
            if server not in self._streams:
                self._truncated[server] = message
                self._ask(server, by_stream=True)
                self._next_at = self._ends_at
            return True
        if message.rcode in _WITHOUT_EDNS and server not in self.plain:
            # RFC 6891 §6.2.2, §7: asked anew without it, and remembered.
            self.plain.add(server)
            self._ask(server, by_stream=by_stream)
            return True
        if not self._manner.raw:
            answer = read_answer(message, self.question)
            if answer.verdict in (Verdict.FAILED, Verdict.REFERRED):
                self.fail(server, answer.reason, now)
                return True
        self.reply = Reply(message, server, by_stream)
        return True

    def _is_for_us(self, message: Message) -> bool:
        if not message.is_response or message.id != self._id or message.opcode:
            return False
        if not message.questions:
            # A server that cannot read the query need not repeat it.
            return message.rcode in (ResponseCode.FORMERR, ResponseCode.NOTIMP, ResponseCode.REFUSED)
        return len(message.questions) == 1 and message.questions[0].key == self.question.key

    def fail(self, server: ServerAddress, reason: str, now: float) -> None:
        """Take in that a server does not answer: it says so, or the system cannot reach it."""
        if self.reply is not None or server in self.failures or server not in self._asked:
            return
        self.failures[server] = reason
        truncated = self._truncated.get(server)
        if self._manner.raw and truncated is not None:
            # A part is better than nothing to whoever wants to see what a server says.
            self.reply = Reply(truncated, server, False)
        elif all(one in self.failures for one in self._servers):
            self._next_at = None
        elif not any(one in self._asked and one not in self.failures for one in self._servers):
            # Nobody else is waited for, so the next one is asked at once.
            self._next_at = now
            self.advance(now)

    def show_failures(self) -> str:
        """Say in one line why there is no answer."""
        if not self._servers:
            return "no DNS server is known; name one"
        told = [f"{server}: {reason}" for server, reason in self.failures.items()]
        return "; ".join(told) or "no answer"


def show_reply(reply: Reply) -> str:
    """Say in a word or two what a server answered, for people."""
    return show_rcode(reply.message.rcode)
