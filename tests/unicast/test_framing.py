from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.unicast.framing import MAX_MESSAGE, Unframer, framed


class FramingTests(SynchronousTestCase):
    """A message in a stream stands after its length (RFC 7766 §8)."""

    def test_length_and_message_are_one_piece(self) -> None:
        self.assertEqual(framed(b"abc"), b"\0\3abc")

    def test_too_long(self) -> None:
        with self.assertRaisesRegex(ValueError, "at most 65535"):
            framed(bytes(MAX_MESSAGE + 1))

    def test_several_messages_in_one_segment(self) -> None:
        """Pipelined queries arrive together (RFC 7766 §6.2.1.1)."""
        self.assertEqual(Unframer().feed(b"\0\1a\0\0\0\2bc\0"), [b"a", b"", b"bc"])

    def test_one_octet_at_a_time(self) -> None:
        unframer = Unframer()
        found = [message for octet in b"\0\3abc\0\1d" for message in unframer.feed(bytes((octet,)))]
        self.assertEqual(found, [b"abc", b"d"])

    def test_what_is_kept_is_bounded(self) -> None:
        unframer = Unframer()
        unframer.feed(b"\xff\xff" + bytes(MAX_MESSAGE - 1))
        self.assertEqual(unframer.held, MAX_MESSAGE + 1)
        self.assertEqual(unframer.feed(b"x"), [bytes(MAX_MESSAGE - 1) + b"x"])
        self.assertFalse(unframer.is_waiting)

    @settings(deadline=None)
    @given(st.lists(st.binary(max_size=40), max_size=8), st.randoms(use_true_random=False))
    def test_cut_anyhow(self, messages: list[bytes], rng: object) -> None:
        stream = b"".join(map(framed, messages))
        unframer = Unframer()
        found: list[bytes] = []
        while stream:
            size = rng.randint(1, len(stream))  # type: ignore[attr-defined]  # a Random
            found += unframer.feed(stream[:size])
            stream = stream[size:]
        self.assertEqual(found, messages)
