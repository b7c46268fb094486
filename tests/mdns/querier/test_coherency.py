"""Keeping the cache right: goodbyes, cache flush, reconfirmation (RFC 6762 §10)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Message, PseudoRecord, Question
from mcast.dns.records import address, raw, text
from tests.mdns.lab import TXT
from tests.mdns.querier.asking_lab import (
    FAR,
    FAR_A,
    FAR_AAAA,
    FAR_OTHER_A,
    FAR_Q,
    ONE,
    ONE_PTR,
    ONE_TXT,
    TWO_PTR,
    TYPE_PTR,
    AskingLab,
    asked_at,
)


class GoodbyeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lab = AskingLab()
        self.lab.want(TYPE_PTR)
        self.lab.hear(ONE_PTR)
        self.lab.run(20)
        self.lab.changes()
        self.lab.hear(ONE_PTR.with_ttl(0))

    def test_not_at_once(self) -> None:
        """M-10.1-2: after a goodbye the record is valid for one second, and then removed."""
        self.lab.run(20.99)
        self.assertTrue(self.lab.knows(ONE_PTR))
        self.assertEqual(self.lab.changes(), [])
        self.lab.run(21.0)
        self.assertFalse(self.lab.knows(ONE_PTR))
        self.assertEqual([kind for kind, _ in self.lab.changes()], ["removed"])

    def test_ttl_is_one(self) -> None:
        """M-10.1-2: "record a TTL of 1"."""
        self.assertEqual([record.ttl for record in self.lab.known(TYPE_PTR)], [1])

    def test_rescue(self) -> None:
        """M-10.1-2: what is heard again within that second stays."""
        self.lab.run(20.5)
        self.lab.hear(ONE_PTR)
        self.lab.run(100)
        self.assertTrue(self.lab.knows(ONE_PTR))
        self.assertEqual([kind for kind, _ in self.lab.changes()], ["rescued"])

    def test_repeated(self) -> None:
        """Repeating a goodbye does not put it off."""
        self.lab.run(20.7)
        self.lab.hear(ONE_PTR.with_ttl(0))
        self.lab.run(21.0)
        self.assertFalse(self.lab.knows(ONE_PTR))

    def test_of_nothing(self) -> None:
        self.lab.hear(TWO_PTR.with_ttl(0))
        self.assertEqual(self.lab.changes(), [])
        self.assertFalse(self.lab.knows(TWO_PTR))

    def test_return_is_a_new_record(self) -> None:
        self.lab.run(22)
        self.lab.changes()
        self.lab.hear(ONE_PTR)
        self.assertEqual([kind for kind, _ in self.lab.changes()], ["added"])

    def test_leaves_others_alone(self) -> None:
        """A goodbye with the cache-flush bit ends the one record that it names."""
        lab = AskingLab()
        lab.hear(FAR_A, FAR_OTHER_A)
        lab.run(20)
        lab.hear(FAR_A.with_ttl(0))
        lab.run(22)
        self.assertFalse(lab.knows(FAR_A))
        self.assertTrue(lab.knows(FAR_OTHER_A))


class CacheFlushTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lab = AskingLab()
        self.lab.want(FAR_Q)
        self.lab.hear(FAR_A, FAR_AAAA)
        self.lab.changes()

    def test_old_records_end_in_a_second(self) -> None:
        """M-10.2-3: records received more than a second before a flush are valid for one second more."""
        self.lab.run(20)
        self.lab.hear(FAR_OTHER_A)
        self.lab.run(20.99)
        self.assertTrue(self.lab.knows(FAR_A))
        self.lab.run(21.0)
        self.assertFalse(self.lab.knows(FAR_A))
        self.assertTrue(self.lab.knows(FAR_OTHER_A))

    def test_other_types_stay(self) -> None:
        """M-10.2-3: only the same name, type and class is flushed."""
        self.lab.run(20)
        self.lab.hear(FAR_OTHER_A)
        self.lab.run(30)
        self.assertTrue(self.lab.knows(FAR_AAAA))

    def test_young_records_stay(self) -> None:
        """M-10.2-4: a set may come in several packets within a second."""
        self.lab.run(10.9)
        self.lab.hear(FAR_OTHER_A)
        self.lab.run(100)
        self.assertTrue(self.lab.knows(FAR_A))
        self.assertTrue(self.lab.knows(FAR_OTHER_A))

    def test_repeated_records_stay(self) -> None:
        """What the same packet repeats is not flushed, wherever in the packet it stands."""
        self.lab.run(20)
        self.lab.hear(FAR_OTHER_A, FAR_A)
        self.lab.run(30)
        self.assertTrue(self.lab.knows(FAR_A))
        self.assertEqual([kind for kind, _ in self.lab.changes()], ["added"])

    def test_told_at_once(self) -> None:
        """The asker is told that a record has been replaced, and later that it is gone."""
        self.lab.run(20)
        self.lab.hear(FAR_OTHER_A)
        self.assertEqual(
            [(kind, record.rdata) for kind, record in self.lab.changes()],
            [("added", FAR_OTHER_A.rdata), ("flushed", FAR_A.rdata)],
        )
        self.lab.run(21)
        self.assertEqual(
            [(kind, record.rdata) for kind, record in self.lab.changes()], [("removed", FAR_A.rdata)]
        )

    def test_rescue(self) -> None:
        """RFC 6762 §10.2: a host on two bridged links has a second to announce its other addresses again."""
        self.lab.run(20)
        self.lab.hear(FAR_OTHER_A)
        self.lab.run(20.5)
        self.lab.hear(FAR_A)
        self.lab.run(30)
        self.assertEqual([kind for kind, _ in self.lab.changes()], ["added", "flushed", "rescued"])
        self.assertTrue(self.lab.knows(FAR_A))
        self.assertTrue(self.lab.knows(FAR_OTHER_A))

    def test_without_the_bit(self) -> None:
        self.lab.run(20)
        self.lab.hear(FAR_OTHER_A.with_cache_flush(False))
        self.lab.run(30)
        self.assertTrue(self.lab.knows(FAR_A))

    def test_in_every_section(self) -> None:
        """M-18.13-1: the bit means the same in the additional section."""
        self.lab.run(20)
        self.lab.feed(Message(flags=0x8400, answers=[ONE_PTR], additionals=[FAR_OTHER_A]))
        self.lab.run(21)
        self.assertFalse(self.lab.knows(FAR_A))

    def test_in_the_authority_section(self) -> None:
        """M-18.13-1: and in the authority section."""
        self.lab.run(20)
        self.lab.feed(Message(flags=0x8400, answers=[ONE_PTR], authorities=[FAR_OTHER_A]))
        self.lab.run(21)
        self.assertFalse(self.lab.knows(FAR_A))

    def test_is_no_part_of_the_class(self) -> None:
        """M-10.2-12: a record is the same with the bit and without it."""
        self.lab.hear(FAR_A.with_cache_flush(False))
        self.assertEqual(len(self.lab.known(FAR_Q)), 1)
        self.assertEqual(self.lab.known(FAR_Q)[0].rclass, 1)

    def test_after_a_goodbye(self) -> None:
        """A host that takes leave of its old address and announces the new one has moved: that is known at
        once."""
        self.lab.run(20)
        self.lab.hear(FAR_A.with_ttl(0))
        self.lab.run(20.1)
        self.lab.hear(FAR_OTHER_A)
        self.assertEqual([kind for kind, _ in self.lab.changes()], ["added", "flushed"])
        self.lab.run(21)
        self.assertEqual([kind for kind, _ in self.lab.changes()], ["removed"])

    def test_of_a_large_set(self) -> None:
        """A set of many records is flushed as a small one is."""
        members = [address(FAR, f"192.168.1.{number}", 120, cache_flush=True) for number in range(20, 60)]
        self.lab.hear(*members)
        self.lab.run(20)
        self.lab.hear(FAR_A)
        self.lab.run(21)
        self.assertEqual([record.rdata for record in self.lab.known(FAR_Q)], [FAR_A.rdata])

    def test_of_a_large_set_again(self) -> None:
        """What was heard since the flush before is flushed, and what was heard again stays."""
        members = [address(FAR, f"192.168.1.{number}", 120) for number in range(20, 60)]
        self.lab.hear(*members)
        self.lab.run(20)
        self.lab.hear(FAR_A)
        self.lab.run(20.5)
        self.lab.hear(members[0])  # rescued
        self.lab.run(23)
        self.lab.hear(*members[1:3])
        self.lab.run(23.5)
        self.lab.hear(FAR_OTHER_A)
        left = {record.rdata for record in self.lab.known(FAR_Q)}
        self.assertEqual(left, {each.rdata for each in (FAR_A, FAR_OTHER_A, *members[:3])})
        self.lab.run(24.6)
        left = {record.rdata for record in self.lab.known(FAR_Q)}
        self.assertEqual(left, {each.rdata for each in (FAR_OTHER_A, *members[1:3])})
        self.lab.run(30)
        self.lab.hear(FAR_OTHER_A)
        self.lab.run(31)
        self.assertEqual([record.rdata for record in self.lab.known(FAR_Q)], [FAR_OTHER_A.rdata])

    def test_of_a_large_set_after_a_goodbye(self) -> None:
        """Whoever asks is told what has taken the place of the record, whatever came before and after it."""
        members = [address(FAR, f"192.168.1.{number}", 120) for number in range(20, 60)]
        self.lab.hear(*members)
        self.lab.run(20)
        self.lab.hear(FAR_OTHER_A)
        self.lab.run(22)
        self.lab.hear(*members)
        self.lab.hear(members[0].with_ttl(0))
        self.lab.hear(*members[1:])
        self.lab.changes()
        self.lab.run(22.1)
        self.lab.hear(FAR_OTHER_A)
        self.assertEqual(self.lab.changes(), [("flushed", members[0].with_ttl(1))])

    def test_other_types_of_a_large_set(self) -> None:
        """M-10.2-3: only the same type is flushed."""
        members = [address(FAR, f"192.168.1.{number}", 120) for number in range(20, 60)]
        self.lab.hear(*members)
        self.lab.run(20)
        self.lab.hear(FAR_AAAA.with_ttl(121))
        self.lab.run(30)
        self.assertEqual(len(self.lab.known(FAR_Q)), 41)

    def test_pseudo_records(self) -> None:
        """M-10.2-13: OPT is no record; its class is a size, and neither cached nor taken for a flush."""
        option = PseudoRecord(FAR, 41, 0x8FA0, 0, b"")
        message = Message(flags=0x8400, answers=[FAR_A], pseudo=[option])
        self.lab.run(20)
        before = len(self.lab.querier.cache)
        self.lab.feed(message)
        self.assertEqual(message.pseudo[0].rclass, 36768)
        self.assertEqual(len(self.lab.querier.cache), before)


class LinkTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lab = AskingLab()
        self.lab.want(TYPE_PTR)
        self.lab.hear(ONE_PTR, FAR_A)
        self.lab.run(20)
        self.lab.changes()

    def test_down(self) -> None:
        """M-10.3-1: what was heard on a link is forgotten when it goes down, and the askers are told."""
        self.lab.link.link_down(self.lab.now)
        self.lab.collect()
        self.assertEqual([kind for kind, _ in self.lab.changes()], ["removed"])
        self.assertEqual(len(self.lab.querier.cache), 0)

    def test_silent_while_down(self) -> None:
        self.lab.link.link_down(self.lab.now)
        self.lab.hear(ONE_PTR)
        self.lab.want(FAR_Q)
        self.assertEqual(self.lab.pass_time(100).queries.questions, [])
        self.assertEqual(len(self.lab.querier.cache), 0)

    def test_up_again(self) -> None:
        """M-10.3-1: when it returns, everything is asked anew, what was asked meanwhile too."""
        self.lab.link.link_down(self.lab.now)
        self.lab.want(FAR_Q)
        self.lab.pass_time(10)
        self.lab.link.link_up(self.lab.now)
        questions = self.lab.pass_time(0.5).queries.questions
        self.assertEqual([question.key for question in questions], [TYPE_PTR.key, FAR_Q.key])
        self.assertEqual(self.lab.known(FAR_Q), [])

    def test_up_without_down(self) -> None:
        """M-10.3-1: after sleep the link may be another one."""
        self.lab.link.link_up(self.lab.now)
        self.assertEqual(len(self.lab.querier.cache), 0)
        self.assertEqual(len(self.lab.pass_time(0.5).queries.questions), 1)

    def test_links_do_not_share(self) -> None:
        """M-3-9, M-14-4: what was learned on one link is not known on another, where the name may be
        another host's."""
        other = AskingLab()
        self.assertFalse(other.knows(FAR_A))
        other.hear(FAR_OTHER_A)
        self.assertTrue(self.lab.knows(FAR_A))
        self.assertFalse(self.lab.knows(FAR_OTHER_A))


class ReconfirmTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lab = AskingLab()
        self.lab.hear(FAR_A, FAR_OTHER_A, ONE_PTR)
        self.lab.run(20)

    def test_is_asked_for(self) -> None:
        """M-10.4-1, M-10.4-2: a hint that a record is wrong leads to two queries or more."""
        self.assertTrue(self.lab.querier.reconfirm(FAR_A, self.lab.now))
        self.assertGreaterEqual(len(asked_at(self.lab.pass_time(9.9), FAR_Q)), 2)

    def test_is_not_listed_as_known(self) -> None:
        """M-10.4-2: a list with the record in it would suppress the answer."""
        self.lab.querier.reconfirm(ONE_PTR, self.lab.now)
        sent = self.lab.pass_time(9.9)
        self.assertGreaterEqual(len(asked_at(sent, TYPE_PTR)), 2)
        self.assertEqual([packet.message.answers for packet in sent], [()] * len(sent))

    def test_flushed_after_ten_seconds(self) -> None:
        """M-10.4-3: without an answer the record is flushed, and only that one."""
        self.lab.querier.reconfirm(FAR_A, self.lab.now)
        self.lab.run(29.99)
        self.assertTrue(self.lab.knows(FAR_A))
        self.lab.run(30)
        self.assertFalse(self.lab.knows(FAR_A))
        self.assertTrue(self.lab.knows(FAR_OTHER_A))

    def test_an_answer_keeps_it(self) -> None:
        """M-10.4-3: an answer after nine seconds keeps it, with the TTL that it gives."""
        self.lab.querier.reconfirm(FAR_A, self.lab.now)
        self.lab.run(29)
        self.lab.hear(FAR_A.with_ttl(60), FAR_OTHER_A)
        self.lab.run(40)
        self.assertEqual([record.ttl for record in self.lab.known(FAR_Q)], [49, 109])

    def test_askers_are_told(self) -> None:
        self.lab.want(FAR_Q)
        self.lab.querier.reconfirm(FAR_A, self.lab.now)
        self.lab.run(31)
        self.assertEqual(
            [(kind, record.rdata) for kind, record in self.lab.changes()], [("removed", FAR_A.rdata)]
        )

    def test_what_is_not_cached(self) -> None:
        self.assertFalse(self.lab.querier.reconfirm(FAR_AAAA, self.lab.now))
        self.assertEqual(self.lab.pass_time(20).queries.questions, [])

    def test_twice_is_once(self) -> None:
        self.lab.querier.reconfirm(FAR_A, self.lab.now)
        self.lab.pass_time(1)
        count = len(self.lab.sent)
        self.lab.querier.reconfirm(FAR_A, self.lab.now)
        self.assertLessEqual(len(asked_at(self.lab.run(31), FAR_Q)), 4)
        self.assertEqual(count, 1)

    def test_as_often_as_needed(self) -> None:
        """After an answer a new hint starts anew."""
        self.lab.querier.reconfirm(FAR_A, self.lab.now)
        self.lab.run(21)
        self.lab.hear(FAR_A, FAR_OTHER_A)
        self.lab.run(40)
        self.lab.querier.reconfirm(FAR_A, self.lab.now)
        self.lab.run(51)
        self.assertFalse(self.lab.knows(FAR_A))


class ChangedDataTests(SynchronousTestCase):
    """Records whose data is unusual, or new."""

    def test_empty_rdata_is_an_answer(self) -> None:
        """M-E-2: a record without rdata exists, and denies nothing."""
        lab = AskingLab()
        lab.want(Question(ONE, 10))
        empty = raw(ONE, 10, b"", 120)
        lab.hear(empty)
        self.assertEqual([kind for kind, _ in lab.changes()], ["added"])
        self.assertFalse(lab.querier.is_denied(Question(ONE, 10), lab.now))

    def test_a_changed_text(self) -> None:
        """A TXT record with other strings takes the place of the old one."""
        lab = AskingLab()
        lab.want(Question(ONE, TXT))
        lab.hear(ONE_TXT)
        lab.run(20)
        lab.changes()
        lab.hear(text(ONE, [b"path=/new"], 4500, cache_flush=True))
        self.assertEqual([kind for kind, _ in lab.changes()], ["added", "flushed"])
