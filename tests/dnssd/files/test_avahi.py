"""Tests for mcast.dnssd.files.avahi."""

from __future__ import annotations

import contextlib
import encodings.aliases

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import Name
from mcast.dnssd.files.avahi import parse_avahi
from mcast.dnssd.files.contents import ServicesFile
from mcast.dnssd.service import Service
from mcast.dnssd.types import ServiceType
from mcast.errors import ServicesFileError

HEAD = """<?xml version="1.0" standalone='no'?><!--*-nxml-*-->
<!DOCTYPE service-group SYSTEM "avahi-service.dtd">
"""


def parsed(text: str) -> ServicesFile:
    return parse_avahi(text.encode(), "web.service", "kitchen")


def group(*services: str, name: str = "<name>My Web</name>") -> str:
    """Return a file whose name stands on line 4, and each service on a line of its own after it."""
    return HEAD + "\n".join(["<service-group>", name, *services, "</service-group>\n"])


def service(*elements: str) -> str:
    return "<service><type>_http._tcp</type><port>80</port>" + "".join(elements) + "</service>"


class ReadTests(SynchronousTestCase):
    """Files as they are found in /etc/avahi/services."""

    def test_all_elements(self) -> None:
        contents = parsed(
            HEAD
            + """<service-group>
  <name replace-wildcards="yes">Web on %h</name>
  <service>
    <type>_http._tcp</type>
    <subtype>_printer._sub._http._tcp</subtype>
    <subtype>a\\.b._sub._http._tcp</subtype>
    <domain-name>local</domain-name>
    <host-name>proxy.local</host-name>
    <port>8080</port>
    <txt-record>path=/</txt-record>
    <txt-record> spaces=stay </txt-record>
    <txt-record>bare</txt-record>
  </service>
</service-group>
"""
        )
        self.assertEqual(
            contents.services,
            (
                Service(
                    "Web on kitchen",
                    "_http._tcp",
                    8080,
                    subtypes=["_printer", "a.b"],
                    host=Name.parse("proxy.local."),
                    txt=[("path", "/"), (" spaces", "stay "), ("bare", None)],
                ),
            ),
        )
        self.assertEqual((contents.hostname, contents.notes), (None, ()))

    def test_several_services(self) -> None:
        """One name, several types."""
        contents = parsed(group(service(), "<service><type>_ipp._tcp</type><port>631</port></service>"))
        self.assertEqual(
            [(one.name, str(one.type), one.port) for one in contents.services],
            [("My Web", "_http._tcp", 80), ("My Web", "_ipp._tcp", 631)],
        )

    def test_wildcard_only_where_asked_for(self) -> None:
        (one,) = parsed(group(service(), name="<name>100%h</name>")).services
        self.assertEqual(one.name, "100%h")
        (one,) = parsed(group(service(), name='<name replace-wildcards="no">%h</name>')).services
        self.assertEqual(one.name, "%h")

    def test_binary_values(self) -> None:
        (one,) = parsed(
            group(
                service(
                    '<txt-record value-format="text">a=dmFs=</txt-record>',
                    '<txt-record value-format="binary-hex">b=00fF</txt-record>',
                    '<txt-record value-format="binary-base64">c=dmFsdWU=</txt-record>',
                )
            )
        ).services
        self.assertEqual(one.txt.strings, (b"a=dmFs=", b"b=\x00\xff", b"c=value"))

    def test_predefined_entities(self) -> None:
        (one,) = parsed(group(service(), name="<name>Tom &amp; &#74;erry</name>")).services
        self.assertEqual(one.name, "Tom & Jerry")

    def test_encoding_of_the_declaration(self) -> None:
        text = '<?xml version="1.0" encoding="iso-8859-1"?><service-group><name>Caf\xe9</name>'
        data = (text + service() + "</service-group>").encode("latin-1")
        self.assertEqual(parse_avahi(data, "x", "h").services[0].name, "Café")

    def test_one_family(self) -> None:
        """It is announced over both, and that is told."""
        text = group(service(), service().replace("<service>", '<service protocol="ipv6">'))
        contents = parsed(text)
        self.assertEqual(len(contents.services), 2)
        self.assertIn('web.service:6: protocol="ipv6" is passed over', str(contents.notes[0]))

    def test_type_that_only_avahi_accepts(self) -> None:
        contents = parsed(group("<service><type>_a_b._tcp</type><port>1</port></service>"))
        self.assertEqual(contents.services[0].type, ServiceType("a_b", "tcp"))
        self.assertIn("web.service:5: Service Name 'a_b'", str(contents.notes[0]))
        self.assertTrue(contents.notes[0].warning)

    def test_repeated_key(self) -> None:
        record = "<txt-record>pdl=a</txt-record>"
        contents = parsed(group(service(record, record)))
        self.assertEqual(contents.services[0].txt.strings, (b"pdl=a", b"pdl=a"))
        self.assertIn("web.service:5: TXT key 'pdl' occurs again", str(contents.notes[0]))


class FaultTests(SynchronousTestCase):
    """A fault is told with its line."""

    def fault(self, text: str) -> str:
        error = self.assertRaises(ServicesFileError, parsed, text)
        assert isinstance(error, ServicesFileError)
        self.assertTrue(str(error).startswith(f"web.service:{error.line}: "))
        return str(error).removeprefix("web.service:")

    def test_no_xml(self) -> None:
        self.assertIn("6: mismatched tag", self.fault(group("<service>")))
        self.assertIn("1: no element found", self.fault(""))

    def test_other_elements(self) -> None:
        self.assertIn("1: <html> does not stand in a service file", self.fault("<html/>"))
        self.assertIn("5: <prt> does not stand in <service>", self.fault(group(service("<prt/>"))))
        self.assertIn("4: <b> does not stand in <name>", self.fault(group(name="<name><b/></name>")))

    def test_other_attributes(self) -> None:
        self.assertIn("4: <name> has no attribute 'lang'", self.fault(group(name='<name lang="de">x</name>')))
        text = group('<service protocol="ipx"></service>')
        self.assertIn("5: protocol='ipx' is none of any, ipv4, ipv6", self.fault(text))

    def test_missing(self) -> None:
        self.assertIn("3: <service-group> has no <name>", self.fault(group(service(), name="")))
        self.assertIn("3: there is no <service>", self.fault(group()))
        self.assertIn("5: <service> has no <type>", self.fault(group("<service><port>1</port></service>")))

    def test_twice(self) -> None:
        self.assertIn("6: <service> has a second <port>", self.fault(group(service("\n<port>1</port>"))))

    def test_port(self) -> None:
        text = "<service><type>_x._tcp</type>\n<port>http</port></service>"
        self.assertIn("6: port 'http'", self.fault(group(text)))
        self.assertIn("5: port 65536", self.fault(group(service().replace("80", "65536"))))

    def test_type(self) -> None:
        text = "<service>\n<type>http</type><port>1</port></service>"
        self.assertIn("6: service type 'http'", self.fault(group(text)))

    def test_name(self) -> None:
        self.assertIn("4: instance name ''", self.fault(group(service(), name="<name/>")))
        self.assertIn("64 octets", self.fault(group(service(), name=f"<name>{'x' * 64}</name>")))

    def test_value_formats(self) -> None:
        form = '\n<txt-record value-format="binary-{}">k={}</txt-record>'
        self.assertIn(
            "6: TXT key 'k': the value is no binary-hex", self.fault(group(service(form.format("hex", "0"))))
        )
        self.assertIn(
            "6: TXT key 'k': the value is no binary-base64",
            self.fault(group(service(form.format("base64", "a")))),
        )
        self.assertIn("no binary-hex", self.fault(group(service(form.format("hex", "é")))))

    def test_long_string(self) -> None:
        self.assertIn(
            "6: TXT key 'k'", self.fault(group(service(f"\n<txt-record>k={'x' * 254}</txt-record>")))
        )

    def test_names(self) -> None:
        self.assertIn("6: <host-name> 'a..b'", self.fault(group(service("\n<host-name>a..b</host-name>"))))
        self.assertIn(
            "6: <domain-name> 'a..b'", self.fault(group(service("\n<domain-name>a..b</domain-name>")))
        )


class LenientTests(SynchronousTestCase):
    """What avahi-daemon 0.8 publishes is taken, each oddity with one note that names its line."""

    def noted(self, text: str, note: str) -> Service:
        contents = parsed(text)
        self.assertEqual([str(one) for one in contents.notes], [f"web.service:{note}"])
        (one,) = contents.services
        return one

    def test_text_between_elements(self) -> None:
        text = group(service(), name="<name>My Web</name> ## shown")
        note = "3: text between the elements of <service-group> is passed over: '## shown'"
        self.assertEqual(self.noted(text, note).name, "My Web")
        self.noted(group(service("8080")), "5: text between the elements of <service> is passed over: '8080'")

    def test_type_with_a_final_dot(self) -> None:
        text = group("<service><type>_ipp._tcp.</type><port>631</port></service>")
        self.assertEqual(
            self.noted(text, "5: <type> '_ipp._tcp.' is taken for _ipp._tcp").type, ServiceType("ipp", "tcp")
        )

    def test_subtype_with_a_final_dot(self) -> None:
        """Avahi leaves it out without saying so to anybody but its log."""
        text = group(service("<subtype>_p._sub._http._tcp.</subtype>"))
        found = self.noted(text, "5: subtype '_p._sub._http._tcp.': taken without the final dot")
        self.assertEqual(found.subtypes, (b"_p",))

    def test_subtype_of_another_type(self) -> None:
        text = group(service("\n<subtype>_p._sub._ipp._tcp</subtype>"))
        note = "6: subtype '_p._sub._ipp._tcp': it does not end in ._sub._http._tcp; left out, as Avahi does"
        self.assertEqual(self.noted(text, note).subtypes, ())

    def test_no_port(self) -> None:
        text = group("<service><type>_x._tcp</type></service>")
        self.assertEqual(self.noted(text, "5: <service> has no <port>: published with port 0").port, 0)
        text = group("<service><type>_x._tcp</type><port/></service>")
        self.assertEqual(self.noted(text, "5: <port> is empty: published with port 0").port, 0)

    def test_port_with_more_than_a_number(self) -> None:
        """Avahi reads it as C does: seen with avahi-daemon 0.8."""
        for text, port in (("+5900", 5900), ("22x", 22), ("80/tcp", 80), ("8080 (alt)", 8080), ("0x15", 0)):
            with self.subTest(text=text):
                file = group(f"<service><type>_x._tcp</type><port>{text}</port></service>")
                self.assertEqual(
                    self.noted(file, f"5: port {text!r} is taken for {port}, as in Avahi").port, port
                )
        (found,) = parsed(group(service().replace("80", "000000080"))).services
        self.assertEqual(found.port, 80)

    def test_empty_names(self) -> None:
        text = group(service("<domain-name></domain-name>"))
        found = self.noted(text, "5: <domain-name> is empty, and passed over")
        self.assertEqual(str(found.domain), "local.")
        text = group(service("<host-name> </host-name>"))
        self.assertIsNone(self.noted(text, "5: <host-name> is empty, and passed over").host)

    def test_line_breaks_around_an_attribute(self) -> None:
        text = group(service("<txt-record>\n    path=/admin\n</txt-record>"))
        found = self.noted(text, "5: <txt-record>: taken without the line breaks around the text")
        self.assertEqual(found.txt.strings, (b"path=/admin",))

    def test_key_that_is_none(self) -> None:
        """RFC 6763 §6.4: readers ignore it, so it is not sent."""
        for record, reason in (
            ("gr\u00fc=x", "the key 'gr\u00fc' is not printable ASCII"),
            ("=x", "there is no key"),
            ("", "there is no key"),
        ):
            with self.subTest(record=record):
                text = group(service(f"<txt-record>{record}</txt-record><txt-record>a=1</txt-record>"))
                found = self.noted(text, f"5: <txt-record>: {reason}; left out, since readers ignore it")
                self.assertEqual(found.txt.strings, (b"a=1",))

    def test_other_word_than_yes(self) -> None:
        """Avahi replaces wildcards for "yes" alone."""
        text = group(service(), name='<name replace-wildcards="true">%h web</name>')
        found = self.noted(text, '4: replace-wildcards="true" means "no", as in Avahi; write "yes"')
        self.assertEqual(found.name, "%h web")

    def test_host_of_one_label(self) -> None:
        """Nobody can resolve it; Avahi refuses the file."""
        for host in ("laser", "laser."):
            with self.subTest(host=host):
                text = group(service(f"<host-name>{host}</host-name>"))
                found = self.noted(text, "5: <host-name> 'laser.' is taken for laser.local.")
                self.assertEqual(str(found.host), "laser.local.")

    def test_keys_that_printing_prescribes(self) -> None:
        keys = ("printer-state", "printer-type", "Transparent")
        records = [f"<txt-record>{key}=x</txt-record>" for key in keys]
        self.assertEqual(parsed(group(service(*records))).notes, ())

    def test_long_words_are_shortened(self) -> None:
        (note,) = parsed(group(service("x" * 10000))).notes
        self.assertLess(len(str(note)), 400)


class EntityTests(SynchronousTestCase):
    """No entity is declared, expanded or fetched."""

    def fault(self, text: str) -> str:
        return str(self.assertRaises(ServicesFileError, parsed, text))

    def test_growing(self) -> None:
        text = '<!DOCTYPE service-group [\n<!ENTITY a "x">\n<!ENTITY b "&a;&a;">]>\n<service-group/>'
        self.assertIn(":2: entity 'a' is declared", self.fault(text))

    def test_file(self) -> None:
        text = '<!DOCTYPE service-group [<!ENTITY a SYSTEM "file:///etc/hostname">]>\n<service-group/>'
        self.assertIn(":1: entity 'a' is declared", self.fault(text))

    def test_parameter(self) -> None:
        text = '<!DOCTYPE service-group [<!ENTITY % a SYSTEM "file:///etc/hostname"> %a;]>\n<service-group/>'
        self.assertIn(":1: entity 'a' is declared", self.fault(text))

    def test_unknown(self) -> None:
        """One that the DTD might define is not left out without a word."""
        self.assertIn(
            ":4: entity 'host' is not known", self.fault(group(service(), name="<name>&host;</name>"))
        )


class HostileTests(SynchronousTestCase):
    @given(
        st.binary(max_size=200)
        | st.text(max_size=100).map(lambda text: group(text).encode("utf-8", "replace"))
    )
    @settings(deadline=None)
    def test_any_octets(self, data: bytes) -> None:
        """Whatever a file holds, it is understood or refused with its line."""
        try:
            parse_avahi(data, "x", "h")
        except ServicesFileError as error:
            self.assertGreaterEqual(error.line, 1)

    def test_encodings(self) -> None:
        """Whatever encoding the first line names, the file is understood or refused."""
        names = {*encodings.aliases.aliases, *encodings.aliases.aliases.values()}
        for name in sorted(
            {*names, "idna", "punycode", "undefined", "unicode_escape", "nonesuch", "x" * 999}
        ):
            with self.subTest(encoding=name):
                text = f'<?xml version="1.0" encoding="{name}"?>' + group(service()).partition("\n")[2]
                with contextlib.suppress(ServicesFileError):
                    parse_avahi(text.encode(), "x", "h")
        self.flushWarnings()  # of the encoding "unicode_escape", that the file is no good

    def test_encoding_that_expat_cannot_have(self) -> None:
        for name in ("euc-jp", "utf-7", "idna", "nonesuch"):
            with self.subTest(encoding=name):
                text = f'<?xml version="1.0" encoding="{name}"?><service-group/>'
                error = self.assertRaises(ServicesFileError, parse_avahi, text.encode(), "x", "h")
                self.assertIn("x:1: ", str(error))
                self.assertIn("encoding", str(error))

    def test_many_blanks(self) -> None:
        """Time goes by the length of the file, not by its square."""
        text = "a=" + " " * 500_000 + "x"
        self.assertRaises(ServicesFileError, parsed, group(service(f"<txt-record>{text}</txt-record>")))

    def test_depth(self) -> None:
        """Nesting without end is refused at its first wrong level."""
        self.assertRaises(ServicesFileError, parsed, "<service-group>" * 100_000)
