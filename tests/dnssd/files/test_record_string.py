"""Tests for mcast.dnssd.files.record_string."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.presentation import show_record
from mcast.dnssd.files.record_string import parse_record_string
from mcast.errors import InvalidService


class ParseTests(SynchronousTestCase):
    """A record is written as one line of a zone file."""

    def read(self, text: str, shown: str) -> None:
        self.assertEqual(show_record(parse_record_string(text)), shown)

    def refused(self, text: str, reason: str) -> None:
        self.assertIn(reason, str(self.assertRaises(InvalidService, parse_record_string, text)))

    def test_all_fields(self) -> None:
        self.read("kitchen.local. 60 IN MX 10 mail.local.", "kitchen.local. 60 IN MX 10 mail.local.")

    def test_fields_left_out(self) -> None:
        """The TTL is then that of RFC 6762 §10 for a record that is not about a host's address."""
        self.read("kitchen.local mx 10 mail.local", "kitchen.local. 4500 IN MX 10 mail.local.")

    def test_short_ttl_for_addresses(self) -> None:
        """RFC 6762 §10: 120 seconds where the name is that of a host."""
        self.read("kitchen.local a 192.0.2.1", "kitchen.local. 120 IN A 192.0.2.1")

    def test_class_before_ttl(self) -> None:
        self.read("kitchen.local in 60 A 192.0.2.1", "kitchen.local. 60 IN A 192.0.2.1")

    def test_type_by_number(self) -> None:
        """A number before the type is a TTL; a type by number has the form of RFC 3597 §5."""
        self.read("kitchen.local TYPE65400 \\# 1 ff", "kitchen.local. 4500 IN TYPE65400 \\# 1 ff")

    def test_name_with_blanks(self) -> None:
        self.read(
            "My\\032Web.local. PTR Your Web.local.",
            "My\\032Web.local. 4500 IN PTR Your Web.local.",
        )

    def test_nothing(self) -> None:
        self.refused("", "it is NAME [TTL] [IN] TYPE DATA")

    def test_no_data(self) -> None:
        self.refused("kitchen.local 60 IN A", "it is NAME [TTL] [IN] TYPE DATA")

    def test_unknown_type(self) -> None:
        self.refused("kitchen.local LOX 1", "LOX")

    def test_name_of_one_label(self) -> None:
        self.refused("kitchen A 192.0.2.1", 'like "kitchen.local"')

    def test_data(self) -> None:
        self.refused("kitchen.local A 192.0.2", "this is one address")

    def test_ttl_of_a_goodbye(self) -> None:
        """RFC 6762 §10.1: a TTL of 0 says goodbye."""
        self.refused("kitchen.local 0 A 192.0.2.1", "ttl 0")

    def test_ttl_too_large(self) -> None:
        """RFC 2181 §8."""
        self.refused("kitchen.local 2147483648 A 192.0.2.1", "ttl 2147483648")

    def test_type_of_questions(self) -> None:
        self.refused("kitchen.local ANY x", "no record has this type")

    def test_pseudo_record(self) -> None:
        self.refused("kitchen.local OPT x", "no record has this type")

    def test_negative_response(self) -> None:
        """RFC 6762 §6.1: a responder says itself which types there are."""
        self.refused("kitchen.local NSEC kitchen.local. A", "the responder makes these records itself")

    def test_quote_left_open(self) -> None:
        self.refused('"kitchen.local A 192.0.2.1', "left open")

    @settings(deadline=None, max_examples=300)
    @given(st.lists(st.sampled_from([*'ab.\\ "1', "IN", "A", "TXT", "\\#", "60", "a.local"])))
    def test_any_text(self, words: list[str]) -> None:
        """It is read, and shown as it would be written; or refused."""
        try:
            record = parse_record_string(" ".join(words))
        except InvalidService:
            return
        again = parse_record_string(show_record(record))
        self.assertEqual((again, again.ttl), (record, record.ttl))
