"""Record data is shown in one line of text."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import Name
from mcast.dns.presentation import show_data
from mcast.dns.records import Record, address, host_info, next_secure, pointer, raw, service, text

HOST = Name.parse("printer.local.")


class ShowDataTests(SynchronousTestCase):
    def test_address(self) -> None:
        self.assertEqual(show_data(address(HOST, "fe80::1", 120)), "fe80::1")

    def test_service(self) -> None:
        self.assertEqual(show_data(service(HOST, 1, 2, 80, HOST, 120)), "1 2 80 printer.local.")

    def test_pointer_to_a_name_with_dots_in_a_label(self) -> None:
        self.assertEqual(show_data(pointer(HOST, Name.from_labels((b"a.b", b"local")), 9)), "a\\.b.local.")

    def test_text_quotes_and_escapes(self) -> None:
        record = text(HOST, (b'a="b\\"', b"caf\xc3\xa9", b"\xff\n"), 9)
        self.assertEqual(show_data(record), '"a=\\"b\\\\\\"" "café" "\\255\\010"')

    def test_control_characters_do_not_reach_the_terminal(self) -> None:
        self.assertEqual(show_data(text(HOST, (b"\x1b[2J",), 9)), '"\\027[2J"')

    def test_host_information(self) -> None:
        self.assertEqual(show_data(host_info(HOST, b"ARM", b"LINUX", 120)), '"ARM" "LINUX"')

    def test_denial(self) -> None:
        self.assertEqual(show_data(next_secure(HOST, [28, 1], 120)), "printer.local. A AAAA")

    def test_unknown_type(self) -> None:
        self.assertEqual(show_data(raw(HOST, 65400, b"\x01\xff", 9)), "\\# 2 01ff")

    def test_malformed_rdata_is_shown_as_octets(self) -> None:
        self.assertEqual(show_data(Record(HOST, 33, 1, 9, b"\0")), "\\# 1 00")
