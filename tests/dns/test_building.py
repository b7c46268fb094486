"""The builder: filling messages up to a size (RFC 6762 §17)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns import records
from mcast.dns.building import MessageBuilder
from mcast.dns.codes import RESPONSE_FLAGS
from mcast.dns.messages import Message, Question, decode, encode
from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.dns.writing import Writer

TYPE = Name.parse("_http._tcp.local.")
WEB = TYPE.prefixed("Web")
HOST = Name.parse("host.local.")
ADDRESS = records.address(HOST, "192.0.2.1", 120)
LARGE = records.text(HOST, [b"x" * 250] * 6, 4500)


class FillingTests(SynchronousTestCase):
    """What fits and what does not."""

    def test_message(self) -> None:
        builder = MessageBuilder(1472, flags=RESPONSE_FLAGS, id=7)
        self.assertTrue(builder.add_question(Question(HOST, 1)))
        self.assertTrue(builder.add_answer(ADDRESS))
        self.assertTrue(builder.add_authority(ADDRESS))
        self.assertTrue(builder.add_additional(ADDRESS))
        message = Message(7, RESPONSE_FLAGS, [Question(HOST, 1)], [ADDRESS], [ADDRESS], [ADDRESS])
        self.assertEqual(builder.build(), encode(message))

    def test_to_the_last_octet(self) -> None:
        """M-17-1: a record that fills the size exactly is taken, with one octet less it is not."""
        size = len(encode(Message(answers=[ADDRESS])))
        self.assertTrue(MessageBuilder(size).add_answer(ADDRESS))
        self.assertFalse(MessageBuilder(size - 1).add_answer(ADDRESS))

    def test_what_does_not_fit_leaves_no_trace(self) -> None:
        """Neither octets, nor counts, nor names to point to."""
        builder = MessageBuilder(100)
        builder.add_answer(ADDRESS)
        before = builder.build()
        self.assertFalse(builder.add_answer(records.text(WEB, [b"x" * 90], 120)))
        self.assertFalse(builder.add_question(Question(WEB.prefixed("x" * 63), 1)))
        self.assertEqual(builder.build(), before)
        self.assertTrue(builder.add_answer(records.pointer(TYPE, WEB, 120)))
        self.assertEqual(decode(builder.build()).answers[1].data, WEB)

    def test_question_that_does_not_fit(self) -> None:
        builder = MessageBuilder(30)
        self.assertFalse(builder.add_question(Question(TYPE, 12)))
        self.assertTrue(builder.is_empty)
        self.assertEqual(builder.build(), bytes(12))

    def test_refused_record_leaves_no_trace(self) -> None:
        """A record that cannot be written raises, and the builder goes on."""
        builder = MessageBuilder(100)
        builder.add_answer(ADDRESS)
        before = builder.build()
        self.assertRaises(ValueError, builder.add_answer, Record(WEB, 999, 0x8000, 0, b""))
        self.assertRaises(ValueError, builder.add_answer, Record(WEB, 33, 1, 0, b"\0"))
        self.assertEqual((builder.build(), builder.record_count), (before, 1))

    def test_counts(self) -> None:
        builder = MessageBuilder(1472)
        self.assertTrue(builder.is_empty)
        builder.add_question(Question(HOST, 255))
        builder.add_authority(ADDRESS)
        self.assertFalse(builder.is_empty)
        self.assertEqual((builder.question_count, builder.record_count), (1, 1))
        self.assertEqual(builder.size, len(builder.build()))

    def test_written_in_linear_time(self) -> None:
        """Questions and records in turn, as probes are filled: nothing is written once for each of them."""
        written = 0
        write = Writer.write_record

        def counted(writer: Writer, record: Record) -> None:
            nonlocal written
            written += 1
            write(writer, record)

        self.patch(Writer, "write_record", counted)
        builder = MessageBuilder(9000)
        added = 0
        while builder.add_question(Question(name := TYPE.prefixed(f"Web {added}"), 255)):
            if not builder.add_authority(records.service(name, 0, 0, 80, HOST, 120)):
                break
            added += 1
        self.assertGreater(added, 100)
        message = decode(builder.build())
        self.assertEqual(builder.size, len(builder.build()))
        self.assertEqual(
            [one.name for one in message.authorities], [one.name for one in message.questions[:added]]
        )
        self.assertLessEqual(written, 2 * (added + 1))

    def test_truncated(self) -> None:
        """TC is set when it is asked for, and only then (RFC 6762 §7.2)."""
        builder = MessageBuilder(1472)
        self.assertTrue(decode(builder.build(truncated=True)).truncated)
        self.assertFalse(decode(builder.build()).truncated)

    def test_legacy(self) -> None:
        """M-18.14-7."""
        builder = MessageBuilder(1472, legacy=True)
        builder.add_answer(records.service(HOST, 0, 0, 80, HOST, 10))
        self.assertIn(b"\x00\x50" + HOST.wire, builder.build())


class OrderTests(SynchronousTestCase):
    """Sections may be filled in any order."""

    def test_earlier_section_later(self) -> None:
        builder = MessageBuilder(1472)
        builder.add_authority(ADDRESS)
        self.assertTrue(builder.add_question(Question(HOST, 255, unicast=True)))
        self.assertTrue(builder.add_answer(ADDRESS))
        message = Message(0, 0, [Question(HOST, 255, unicast=True)], [ADDRESS], [ADDRESS])
        self.assertEqual(builder.build(), encode(message))

    def test_earlier_section_does_not_fit(self) -> None:
        builder = MessageBuilder(len(encode(Message(authorities=[ADDRESS]))) + 10)
        builder.add_authority(ADDRESS)
        before = builder.build()
        self.assertFalse(builder.add_question(Question(WEB, 255)))
        self.assertEqual(builder.build(), before)

    def test_earlier_section_is_refused(self) -> None:
        builder = MessageBuilder(1472)
        builder.add_authority(ADDRESS)
        before = builder.build()
        self.assertRaises(ValueError, builder.add_question, Question(WEB, 255, 0x8000))
        self.assertEqual((builder.build(), builder.question_count), (before, 0))


class RollbackTests(SynchronousTestCase):
    """Taking out what was added last."""

    def test_rollback(self) -> None:
        builder = MessageBuilder(1472)
        builder.add_question(Question(HOST, 255))
        builder.add_authority(ADDRESS)
        before, checkpoint = builder.build(), builder.checkpoint()
        builder.add_question(Question(WEB, 255))
        builder.add_authority(records.text(WEB, [b"a"], 120))
        builder.rollback(checkpoint)
        self.assertEqual(builder.build(), before)

    def test_names_taken_out_are_forgotten(self) -> None:
        builder = MessageBuilder(1472)
        checkpoint = builder.checkpoint()
        builder.add_answer(records.pointer(TYPE, WEB, 120))
        builder.rollback(checkpoint)
        self.assertTrue(builder.is_empty)
        builder.add_answer(records.text(WEB, [b"a"], 120))
        self.assertEqual(decode(builder.build()).answers[0].name, WEB)

    def test_rollback_within_the_order_of_the_message(self) -> None:
        builder = MessageBuilder(1472)
        builder.add_answer(ADDRESS)
        before, checkpoint = builder.build(), builder.checkpoint()
        builder.add_answer(records.pointer(TYPE, WEB, 120))
        builder.add_additional(records.text(WEB, [b"a"], 120))
        builder.rollback(checkpoint)
        self.assertEqual(builder.build(), before)
        builder.add_additional(records.text(WEB, [b"a"], 120))
        self.assertEqual(decode(builder.build()).additionals[0].name, WEB)

    def test_earlier_section_after_rollback(self) -> None:
        """What is gone does not count for the order either."""
        builder = MessageBuilder(1472)
        checkpoint = builder.checkpoint()
        builder.add_additional(ADDRESS)
        builder.rollback(checkpoint)
        builder.add_answer(ADDRESS)
        self.assertEqual(builder.build(), encode(Message(answers=[ADDRESS])))


class OversizeTests(SynchronousTestCase):
    """A record that is too large goes alone, in fragments (RFC 6762 §17)."""

    def test_alone(self) -> None:
        """M-17-2."""
        builder = MessageBuilder(1472, oversize=8972)
        self.assertTrue(builder.add_answer(LARGE))
        self.assertFalse(builder.add_additional(ADDRESS))
        self.assertEqual(decode(builder.build()).answers, [LARGE])

    def test_with_the_question(self) -> None:
        """M-17-2: a legacy unicast response repeats the question, which is no record."""
        builder = MessageBuilder(1472, oversize=8972)
        self.assertTrue(builder.add_question(Question(HOST, 16)))
        self.assertTrue(builder.add_answer(LARGE))

    def test_not_beside_another(self) -> None:
        """M-17-4."""
        builder = MessageBuilder(1472, oversize=8972)
        builder.add_answer(ADDRESS)
        self.assertFalse(builder.add_answer(LARGE))
        self.assertEqual(builder.record_count, 1)

    def test_not_without_permission(self) -> None:
        self.assertFalse(MessageBuilder(1472).add_answer(LARGE))

    def test_limit(self) -> None:
        """M-17-5: the builder's part."""
        size = len(encode(Message(answers=[LARGE])))
        self.assertTrue(MessageBuilder(1472, oversize=size).add_answer(LARGE))
        self.assertFalse(MessageBuilder(1472, oversize=size - 1).add_answer(LARGE))

    @settings(deadline=None, max_examples=100)
    @given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 400)), max_size=30))
    def test_above_the_size_there_is_one_record(self, entries: list[tuple[int, int]]) -> None:
        """M-17-4: whatever is added, in any order, a message above 300 octets has one record."""
        builder = MessageBuilder(300, oversize=600)
        add = [builder.add_answer, builder.add_authority, builder.add_additional]
        taken = 0
        for section, size in entries:
            taken += add[section - 1](records.raw(WEB, 999, bytes(size), 0))
        octets = builder.build()
        message = decode(octets)
        count = len(message.answers) + len(message.authorities) + len(message.additionals)
        self.assertEqual(count, taken)
        self.assertTrue(len(octets) <= 300 or (len(octets) <= 600 and count == 1))
