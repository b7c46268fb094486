"""DNS messages in a stream: each after its length in two octets (RFC 1035 §4.2.2, RFC 7766 §8)."""

from __future__ import annotations

LENGTH_SIZE = 2
"""Octets of the length before each message (RFC 1035 §4.2.2)."""

MAX_MESSAGE = 0xFFFF
"""Octets of a message in a stream, since its length has 16 bits (RFC 1035 §4.2.2)."""


def framed(message: bytes) -> bytes:
    """Return a message as it goes into a stream: length and message in one piece (RFC 7766 §8).

    :raises ValueError: it is longer than 65535 octets.
    """
    if len(message) > MAX_MESSAGE:
        raise ValueError(f"a message in a stream has at most {MAX_MESSAGE} octets, not {len(message)}")
    return len(message).to_bytes(LENGTH_SIZE, "big") + message


class Unframer:
    """Takes a stream apart into messages, however it is cut into segments.

    It keeps the octets of the one message that is not complete, and nothing else: never more than
    `LENGTH_SIZE` and `MAX_MESSAGE` octets after `feed` has returned. How long a peer may take for a message
    is the caller's to decide; see `is_waiting`.
    """

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = bytearray()

    @property
    def is_waiting(self) -> bool:
        """Whether a message has begun and is not complete."""
        return bool(self._held)

    @property
    def held(self) -> int:
        """How many octets of the message that is not complete are kept."""
        return len(self._held)

    def feed(self, data: bytes) -> list[bytes]:
        """Take in octets of the stream; return the messages that they complete, in order."""
        held = self._held
        held += data
        messages: list[bytes] = []
        position = 0
        size = len(held)
        while size - position >= LENGTH_SIZE:
            end = position + LENGTH_SIZE + (held[position] << 8 | held[position + 1])
            if end > size:
                break
            messages.append(bytes(held[position + LENGTH_SIZE : end]))
            position = end
        # Once for all messages: what is left is moved to the front.
        del held[:position]
        return messages
