"""Tests for mcast.dnssd.files.toml."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.presentation import show_record
from mcast.dnssd.files.contents import ServicesFile
from mcast.dnssd.files.toml import parse_toml
from mcast.dnssd.files.toml_limits import LINE_LIMIT
from mcast.dnssd.service import Service
from mcast.errors import ServicesFileError

RECORD = '[[record]]\nname = "%h.local"\ntype = "loc"\ndata = "52 n 4 E 2m"\n'
"""A record on lines 1 to 4."""

SERVICE = '[[service]]\nname = "x"\ntype = "_http._tcp"\nport = 80\n'
"""A service on lines 1 to 4."""


def parsed(text: str) -> ServicesFile:
    return parse_toml(text.encode(), "web.toml", "pantry")


class ReadTests(SynchronousTestCase):
    def test_example(self) -> None:
        contents = parsed(
            """
hostname = "kitchen"

[[service]]
name = "My Web"                  # %h stands for the host name
type = "_http._tcp"
subtypes = ["_printer"]
port = 8080
txt = { path = "/", ver = "1" }
"""
        )
        self.assertEqual(contents.hostname, "kitchen")
        self.assertEqual(
            contents.services,
            (Service("My Web", "_http._tcp", 8080, subtypes=["_printer"], txt={"path": "/", "ver": "1"}),),
        )

    def test_all_keys(self) -> None:
        contents = parsed(
            SERVICE
            + 'host = "proxy"\npriority = 1\nweight = 2\ndomain = "example.com"\nflagship = "_printer._tcp"\n'
        )
        self.assertEqual(
            contents.services,
            (
                Service(
                    "x",
                    "_http._tcp",
                    80,
                    host="proxy",
                    priority=1,
                    weight=2,
                    domain="example.com",
                    flagship="_printer._tcp",
                ),
            ),
        )

    def test_several(self) -> None:
        contents = parsed(SERVICE + '[[service]]\ntype = "_ipp._tcp"\nport = 631\n')
        self.assertEqual([one.name for one in contents.services], ["x", None])

    def test_nothing(self) -> None:
        self.assertEqual(parsed("# to be written\n"), ServicesFile(()))

    def test_wildcards(self) -> None:
        text = SERVICE.replace('"x"', '"Web on %h, 100%% of 5%"')
        self.assertEqual(parsed(text).services[0].name, "Web on pantry, 100% of 5%")
        self.assertEqual(parsed('hostname = "k"\n' + text).services[0].name, "Web on k, 100% of 5%")

    def test_values(self) -> None:
        text = SERVICE + 'txt = { a = "", b = true, c = 7, d = { hex = "00ff" }, e = { base64 = "AP8=" } }\n'
        self.assertEqual(
            parsed(text).services[0].txt.strings, (b"a=", b"b", b"c=7", b"d=\0\xff", b"e=\0\xff")
        )

    def test_order(self) -> None:
        """S-6.7-1: the order of the file is the order of the record."""
        text = SERVICE + '[service.txt]\ntxtvers = "1"\na = "2"\n'
        self.assertEqual(parsed(text).services[0].txt.strings, (b"txtvers=1", b"a=2"))

    def test_several_texts(self) -> None:
        """S-6.8-1: a list of tables is a list of records."""
        text = SERVICE + '[[service.txt]]\nrp = "ps"\n[[service.txt]]\nrp = "raw"\n'
        self.assertEqual([one.strings for one in parsed(text).services[0].texts], [(b"rp=ps",), (b"rp=raw",)])

    def test_byte_order_mark(self) -> None:
        self.assertEqual(parsed("\ufeff" + SERVICE).services[0].name, "x")

    def test_notes(self) -> None:
        contents = parsed("\n" + SERVICE + 'txt = { elevenchars = "x" }\n')
        self.assertEqual(
            [str(one) for one in contents.notes],
            ["web.toml:2: TXT key 'elevenchars' is longer than 9 characters"],
        )


class FaultTests(SynchronousTestCase):
    """A fault is told with the line of the table or key that is wrong."""

    def fault(self, text: str) -> str:
        error = self.assertRaises(ServicesFileError, parsed, text)
        assert isinstance(error, ServicesFileError)
        self.assertTrue(str(error).startswith(f"web.toml:{error.line}: "))
        return str(error).removeprefix("web.toml:")

    def test_no_toml(self) -> None:
        self.assertEqual(self.fault("\n\nport = \n"), "3: Invalid value")

    def test_cut_short(self) -> None:
        self.assertIn("2: ", self.fault('a = 1\nb = "x'))

    def test_no_utf8(self) -> None:
        error = self.assertRaises(ServicesFileError, parse_toml, b"a = 1\n\nb = '\xff'", "web.toml", "h")
        self.assertEqual(str(error), "web.toml:3: this is not UTF-8")

    def test_unknown_key(self) -> None:
        self.assertIn("5: unknown key 'prot'; there are name, type", self.fault(SERVICE + "prot = 1\n"))
        self.assertIn("2: unknown key 'services'", self.fault("\n[[services]]\n"))

    def test_second_service(self) -> None:
        self.assertIn("8: port 65536", self.fault(SERVICE + SERVICE.replace("80", "65536")))

    def test_missing(self) -> None:
        self.assertIn("5: the service has no port", self.fault(SERVICE + '[[service]]\ntype = "_x._tcp"\n'))
        self.assertIn("1: the service has no type", self.fault("[[service]]\nport = 1\n"))

    def test_kinds(self) -> None:
        self.assertIn("4: port is a whole number", self.fault(SERVICE.replace("80", '"80"')))
        self.assertIn("4: port is a whole number", self.fault(SERVICE.replace("80", "true")))
        self.assertIn("2: name is text", self.fault(SERVICE.replace('"x"', "1")))
        self.assertIn("5: subtypes is a list", self.fault(SERVICE + 'subtypes = "_a"\n'))
        self.assertIn("5: subtype 2 is text", self.fault(SERVICE + 'subtypes = ["_a", 1]\n'))
        self.assertIn("5: txt is a table", self.fault(SERVICE + 'txt = "a=b"\n'))
        self.assertIn("1: service is a list of tables", self.fault('[service]\nname = "x"\n'))
        self.assertIn("1: hostname is text", self.fault("hostname = 1\n"))

    def test_values(self) -> None:
        for value in (
            "1.5",
            "false",
            "[]",
            '{ hex = "0" }',
            '{ base64 = "=" }',
            "{ hex = 1 }",
            "{ a = 1, b = 2 }",
        ):
            self.assertIn("5: TXT key 'k': ", self.fault(SERVICE + f"txt = {{ k = {value} }}\n"))

    def test_value_in_table(self) -> None:
        self.assertIn("7: TXT key 'b': ", self.fault(SERVICE + '[service.txt]\na = "1"\nb = 1.5\n'))

    def test_value_of_dotted_key(self) -> None:
        self.assertIn("6: TXT key 'b': ", self.fault(SERVICE + 'txt.a = "1"\ntxt.b = 1.5\n'))

    def test_keys(self) -> None:
        self.assertIn("5: TXT key 'é'", self.fault(SERVICE + 'txt = { "é" = "1" }\n'))
        self.assertIn("5: TXT key 'A': it occurs twice", self.fault(SERVICE + 'txt = { a = "1", A = "1" }\n'))

    def test_parts_of_a_service(self) -> None:
        self.assertIn("2: instance name ''", self.fault(SERVICE.replace('"x"', '""')))
        self.assertIn("3: service type 'http'", self.fault(SERVICE.replace("_http._tcp", "http")))
        self.assertIn("3: Service Name '80'", self.fault(SERVICE.replace("_http._tcp", "_80._tcp")))
        self.assertIn("5: subtype ''", self.fault(SERVICE + 'subtypes = [""]\n'))
        self.assertIn("5: host 'a..b'", self.fault(SERVICE + 'host = "a..b"\n'))
        self.assertIn("5: domain 'a..b'", self.fault(SERVICE + 'domain = "a..b"\n'))
        self.assertIn("5: priority -1", self.fault(SERVICE + "priority = -1\n"))
        self.assertIn("5: weight 65536", self.fault(SERVICE + "weight = 65536\n"))
        self.assertIn("5: flagship", self.fault(SERVICE + 'flagship = "_http._tcp"\n'))
        self.assertIn("1: host name 'a.b'", self.fault('hostname = "a.b"\n'))

    def test_strings_that_look_like_tables(self) -> None:
        """The line is that of the table, not of text that looks like one."""
        decoy = 'txt = { a = """\n[[service]]\nport = 1\n""", b = "\\"\\"\\"" } # """\n'
        text = SERVICE + decoy + SERVICE.replace("80", "65536")
        self.assertIn("12: port 65536", self.fault(text))

    def test_tables_in_one_line(self) -> None:
        self.assertIn("2: port 65536", self.fault('\nservice = [{ type = "_x._tcp", port = 65536 }]\n'))

    def test_depth(self) -> None:
        self.assertIn("1: ", self.fault("a = " + "[" * 100_000))


class HostileTests(SynchronousTestCase):
    @given(
        st.binary(max_size=200)
        | st.text(max_size=100).map(lambda text: (SERVICE + text).encode("utf-8", "replace"))
    )
    @settings(deadline=None)
    def test_any_octets(self, data: bytes) -> None:
        """Whatever a file holds, it is understood or refused with its line."""
        try:
            parse_toml(data, "x", "h")
        except ServicesFileError as error:
            self.assertGreaterEqual(error.line, 1)


class RefusingTestCase(SynchronousTestCase):
    """Asserts a fault and its line."""

    def refused(self, text: str, line: int, reason: str) -> None:
        error = self.assertRaises(ServicesFileError, parsed, text)
        self.assertEqual(error.line, line, str(error))
        self.assertIn(reason, error.reason)


class RecordTests(RefusingTestCase):
    """``[[record]]``: a record of any type."""

    def test_record(self) -> None:
        (entry,) = parsed(RECORD).records
        self.assertEqual(
            show_record(entry.record), "pantry.local. 4500 IN LOC 52 0 0.000 N 4 0 0.000 E 2.00m"
        )
        self.assertFalse(entry.shared)

    def test_all_keys(self) -> None:
        (entry,) = parsed(RECORD + "ttl = 60\nshared = true\n").records
        self.assertEqual((entry.record.ttl, entry.shared), (60, True))

    def test_beside_a_service(self) -> None:
        contents = parsed(SERVICE + RECORD)
        self.assertEqual((len(contents.services), len(contents.records)), (1, 1))

    def test_named_after_the_host_that_the_file_names(self) -> None:
        (entry,) = parsed('hostname = "kitchen"\n' + RECORD).records
        self.assertEqual(str(entry.record.name), "kitchen.local.")

    def test_key_that_is_missing(self) -> None:
        self.refused('[[record]]\nname = "a.local"\ntype = "A"\n', 1, "the record has no data")

    def test_unknown_key(self) -> None:
        self.refused(RECORD + 'class = "IN"\n', 5, "unknown key 'class'")

    def test_bad_name(self) -> None:
        self.refused(RECORD.replace("%h.local", "%h"), 2, 'like "pantry.local"')

    def test_malformed_name(self) -> None:
        self.refused(RECORD.replace("%h.local", "a..local"), 2, "a label has 1 to 63 octets")

    def test_bad_type(self) -> None:
        self.refused(RECORD.replace("loc", "LOX"), 3, "LOX")

    def test_bad_data(self) -> None:
        self.refused(RECORD.replace("52 n", "52"), 4, "a location is written like")

    def test_bad_ttl(self) -> None:
        self.refused(RECORD + "ttl = 0\n", 5, "from 1 to")

    def test_shared_that_is_no_truth(self) -> None:
        self.refused(RECORD + "shared = 1\n", 5, "shared is true or false")

    def test_one_table_in_place_of_a_list(self) -> None:
        self.refused('[record]\nname = "a"\n', 1, "write [[record]]")


class LimitTests(RefusingTestCase):
    """No file takes long, and none raises anything but its fault."""

    def test_number_of_many_digits(self) -> None:
        self.refused("[[service]]\nport = " + "9" * 5000 + "\n", 2, "a number has too many digits")
        self.refused(SERVICE.replace("80", "0x" + "f" * 5000), 4, "port has more than 64 bits")
        self.refused(SERVICE + "txt = { a = 0x" + "f" * 5000 + " }\n", 5, "at most 64 bits")

    def test_dotted_key(self) -> None:
        """The reader's time grows with the square of the parts."""
        for key in ("a." * 100_000 + "a", '"a" . ' * 50_000 + "a", "a.'b'." * 60_000 + "a"):
            for text in (f"{key} = 1\n", f"[{key}]\n", f"a = {{ {key} = 1 }}\n"):
                with self.subTest(text=text[:20]):
                    self.refused(text, 1, "than")

    def test_deep_key_on_many_lines(self) -> None:
        lines = [".".join([f"k{number}", *["a"] * 60]) + " = 1\n" for number in range(2000)]
        self.refused("".join(lines), 345, "dotted keys have more than")

    def test_text_with_dots(self) -> None:
        """A reverse name has 34 labels, and words of a text may be parted by dots."""
        text = ".".join(["0"] * 32) + ".ip6.arpa"
        strings = [f'{key} = "{text}"' for key in "abcdef"]
        (service,) = parsed(SERVICE + f"txt = {{ {', '.join(strings)} }}\n").services
        self.assertEqual(service.txt["f"], text.encode())

    def test_long_line(self) -> None:
        self.refused("#" * (LINE_LIMIT + 1), 1, "the line is longer than")

    def test_long_key_is_shortened(self) -> None:
        error = self.assertRaises(ServicesFileError, parsed, "k" * 10_000 + " = 1\n")
        self.assertLess(len(str(error)), 400)
