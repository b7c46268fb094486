"""One-shot queries: a question, and the first response to it (RFC 6762 §5.1)."""

from __future__ import annotations

from typing import Final

from mcast.dns.codes import QUERY_FLAGS
from mcast.dns.messages import Message, Question, decode, encode
from mcast.errors import MalformedMessage
from mcast.mdns.constants import ONE_SHOT_TIMEOUT


class OneShotQuery:
    """A plain DNS query, which RFC 6762 §6.7 calls a legacy query; sends nothing itself.

    It leaves from any port but 5353, which only full queriers may use (RFC 6762 §5.1), to the group or to
    one host. So it is answered by unicast, with the ID and the question repeated (RFC 6762 §6.7).

    :param identifier: the ID, 0 to 65535; the caller draws it at random, so that a host that cannot see
        the query cannot guess it.
    :param now: when it is sent.
    :param timeout: seconds to wait for the response.
    """

    def __init__(
        self,
        question: Question,
        identifier: int,
        now: float,
        *,
        timeout: float = ONE_SHOT_TIMEOUT,
    ) -> None:
        self.question: Final = question
        self.ends_at: Final = now + timeout
        """When to give up."""
        self.payload: Final = encode(Message(id=identifier, flags=QUERY_FLAGS, questions=[question]))
        """What to send."""
        self.response: Message | None = None
        """The first response."""
        self._id: Final = identifier

    def receive(self, datagram: bytes) -> bool:
        """Take in what has arrived; return whether it is the response that was waited for.

        What comes after that changes nothing. The caller gives up, and knows what has arrived by then.
        """
        if self.response is not None:
            return False
        try:
            message = decode(datagram)
        except MalformedMessage:
            return False
        if not message.is_response or message.id != self._id or message.opcode:
            return False
        if any(question.key != self.question.key for question in message.questions):
            return False
        self.response = message
        return True

    @property
    def is_truncated(self) -> bool:
        """Whether the response was too large for a datagram, so that the query has to be repeated over TCP.

        RFC 6762 §18.5: "In legacy unicast response messages, the TC bit has the same meaning as it does in
        conventional Unicast DNS".
        """
        return self.response is not None and self.response.truncated

    @property
    def stream_payload(self) -> bytes:
        """The query as it goes over TCP: with its length before it (RFC 1035 §4.2.2)."""
        return len(self.payload).to_bytes(2, "big") + self.payload
