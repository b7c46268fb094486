"""Avahi's static service files (avahi.service(5)).

A file that avahi-daemon publishes is published here. Where it takes what nobody meant, or leaves out a part
without saying so, a note tells what becomes of it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from xml.parsers import expat

from mcast.dns.names import LOCAL, Name
from mcast.dnssd.files.contents import ServicesFile
from mcast.dnssd.files.service_string import parse_port
from mcast.dnssd.instances import checked_instance
from mcast.dnssd.service import Service
from mcast.dnssd.sought import sought_host
from mcast.dnssd.text import Note, Text, is_key
from mcast.dnssd.types import SUBTYPE_LABEL, ServiceType
from mcast.errors import InvalidService, ServicesFileError, brief

HOST_WILDCARD = "%h"
"""Stands for the host's name where ``replace-wildcards="yes"``."""

_CHILDREN: dict[str | None, frozenset[str]] = {
    None: frozenset({"service-group"}),
    "service-group": frozenset({"name", "service"}),
    "service": frozenset({"type", "subtype", "domain-name", "host-name", "port", "txt-record"}),
}
"""Which elements an element may hold; all others hold text. So the depth is bounded as well."""

_PORT = re.compile(r"[+]?0*([0-9]+)", re.ASCII)
"""What Avahi reads of a port: whatever follows the number is passed over."""

_ATTRIBUTES: dict[tuple[str, str], frozenset[str] | None] = {
    ("name", "replace-wildcards"): None,
    ("service", "protocol"): frozenset({"ipv4", "ipv6", "any"}),
    ("txt-record", "value-format"): frozenset({"text", "binary-hex", "binary-base64"}),
}
"""The values that attributes may have; None for any."""


@dataclass(slots=True)
class _Element:
    tag: str
    line: int
    attributes: dict[str, str]
    children: list[_Element] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def all(self, tag: str) -> list[_Element]:
        return [child for child in self.children if child.tag == tag]


def parse_avahi(data: bytes, source: str, hostname: str) -> ServicesFile:
    """Read a file that Avahi reads.

    ``protocol="ipv4"`` and ``protocol="ipv6"`` are noted and passed over: a service is announced over both
    families, and the addresses of its host tell where it can be reached. Entities cannot be declared, so that
    nothing but ``data`` is read.

    :raises ServicesFileError: naming line and fault.
    """
    return _GroupReader(source, hostname).read(_ElementReader(source).read(data))


class _ElementReader:
    """Turns XML into elements, and refuses elements that a service file does not have."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._open: list[_Element] = []
        self._root: _Element | None = None
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        # The DOCTYPE line of Avahi's files does no harm: expat reads no external DTD by itself. An entity
        # could make a small file grow without bound, or name another file.
        parser.EntityDeclHandler = self._entity_declared
        parser.SkippedEntityHandler = self._entity_unknown
        self._parser = parser

    def read(self, data: bytes) -> _Element:
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            raise self._fault(expat.ErrorString(error.code), error.lineno) from None
        except (LookupError, ValueError):
            # The encoding that the first line names: none, one that takes several octets for a character, or
            # none of text. Expat reads UTF-8 and UTF-16 itself.
            raise self._fault("the encoding is not known; write the file in UTF-8", 1) from None
        assert self._root is not None
        return self._root

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        parent = self._open[-1] if self._open else None
        if tag not in _CHILDREN.get(None if parent is None else parent.tag, frozenset()):
            where = "a service file" if parent is None else f"<{parent.tag}>"
            raise self._fault(f"<{tag}> does not stand in {where}")
        for name, value in attributes.items():
            if (tag, name) not in _ATTRIBUTES:
                raise self._fault(f"<{tag}> has no attribute {name!r}")
            allowed = _ATTRIBUTES[tag, name]
            if allowed is not None and value not in allowed:
                raise self._fault(f"{name}={value!r} is none of {', '.join(sorted(allowed))}")
        element = _Element(tag, self._parser.CurrentLineNumber, attributes)
        if parent is None:
            self._root = element
        else:
            parent.children.append(element)
        self._open.append(element)

    def _end(self, tag: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        self._open[-1].pieces.append(text)

    def _entity_declared(self, name: str, *_: object) -> None:
        raise self._fault(f"entity {name!r} is declared; service files declare none")

    def _entity_unknown(self, name: str, *_: object) -> None:
        raise self._fault(f"entity {name!r} is not known")

    def _fault(self, reason: str, line: int | None = None) -> ServicesFileError:
        return ServicesFileError(
            self._source, self._parser.CurrentLineNumber if line is None else line, reason
        )


class _GroupReader:
    """Turns elements into services."""

    def __init__(self, source: str, hostname: str) -> None:
        self._source = source
        self._hostname = hostname
        self._notes: list[Note] = []

    def read(self, group: _Element) -> ServicesFile:
        name_element = self._one(group, "name")
        name = name_element.text.strip()
        wildcards = name_element.attributes.get("replace-wildcards", "no")
        if wildcards == "yes":
            name = name.replace(HOST_WILDCARD, self._hostname)
        elif wildcards != "no":
            self._say(name_element, f'replace-wildcards="{wildcards}" means "no", as in Avahi; write "yes"')
        with self._at(name_element):
            checked_instance(name)
        self._note_stray_text(group)
        services = tuple(self._service(name, element) for element in group.all("service"))
        if not services:
            raise self._fault(group, "there is no <service>")
        return ServicesFile(services, notes=tuple(self._notes))

    def _service(self, name: str, element: _Element) -> Service:
        protocol = element.attributes.get("protocol", "any")
        if protocol != "any":
            self._note(element, Note(f'protocol="{protocol}" is passed over: announced over both families'))
        self._note_stray_text(element)
        type = self._type(element)
        port = self._port(element)
        strings = [self._string(record) for record in element.all("txt-record")]
        text = Text([string for string in strings if string is not None])
        subtypes = [self._subtype(subtype, type) for subtype in element.all("subtype")]
        with self._at(element):
            service = Service(
                name,
                type,
                port,
                txt=text,
                subtypes=[subtype for subtype in subtypes if subtype is not None],
                domain=self._domain_name(element, "domain-name") or LOCAL,
                host=self._host(element),
            )
        for note in service.notes():
            self._note(element, note)
        return service

    def _type(self, service: _Element) -> ServiceType:
        element = self._one(service, "type")
        text = element.text.strip()
        with self._at(element):
            # We publish what Avahi publishes: Service.notes() tells when the type breaks a rule of RFC 6335.
            type = ServiceType.parse(text, strict=False)
        if text != str(type):
            self._say(element, f"<type> {text!r} is taken for {type}")
        return type

    def _port(self, service: _Element) -> int:
        if not service.all("port"):
            self._say(service, "<service> has no <port>: published with port 0")
            return 0
        element = self._one(service, "port")
        text = element.text.strip()
        if not text:
            self._say(element, "<port> is empty: published with port 0")
            return 0
        number = _PORT.match(text)
        with self._at(element):
            port = parse_port(text if number is None else number[1])
        if text.strip("0123456789"):
            self._say(element, f"port {text!r} is taken for {port}, as in Avahi")
        return port

    def _subtype(self, element: _Element, type: ServiceType) -> bytes | None:
        """Return the label of a subtype that is written out, ``_anon._sub._ftp._tcp``; None for none."""
        text = element.text.strip()
        try:
            label, *rest = Name.parse(text).labels
            if Name.from_labels(rest) != Name.from_labels((SUBTYPE_LABEL, *type.labels)):
                raise ValueError(f"it does not end in ._sub.{type}")
        except ValueError as error:
            self._say(element, f"subtype {text!r}: {error}; left out, as Avahi does")
            return None
        if text.endswith("."):
            self._say(element, f"subtype {text!r}: taken without the final dot")
        return label

    def _string(self, element: _Element) -> bytes | None:
        """Return one string of the TXT record, or None for one that readers ignore.

        Its value may be written in hexadecimal digits or Base64.
        """
        form = element.attributes.get("value-format", "text")
        text = _without_line_breaks(element.text)
        if text != element.text:
            self._say(element, "<txt-record>: taken without the line breaks around the text")
        key, equals, value = text.partition("=")
        if not is_key(key.encode("utf-8")):
            # RFC 6763 §6.4: a string like this "MUST be silently ignored", and a key like this not be sent.
            reason = f"the key {key!r} is not printable ASCII" if key else "there is no key"
            self._say(element, f"<txt-record>: {reason}; left out, since readers ignore it")
            return None
        octets = value.encode("utf-8")
        try:
            if form == "binary-hex":
                octets = binascii.unhexlify(octets)
            elif form == "binary-base64":
                octets = base64.b64decode(octets, validate=True)
        except ValueError as error:
            raise self._fault(element, f"TXT key {key!r}: the value is no {form}: {error}") from None
        string = (key + equals).encode("utf-8") + octets
        with self._at(element):
            Text((string,)).check()
        return string

    def _host(self, service: _Element) -> Name | None:
        name = self._domain_name(service, "host-name")
        if name is None or len(name.labels) > 1:
            return name
        # Avahi refuses the whole file, and nobody could resolve a name of one label (RFC 6762 §21).
        whole = sought_host(name)
        self._say(service.all("host-name")[0], f"<host-name> {str(name)!r} is taken for {whole}")
        return whole

    def _domain_name(self, parent: _Element, tag: str) -> Name | None:
        if not parent.all(tag):
            return None
        element = self._one(parent, tag)
        text = element.text.strip()
        if not text:
            self._say(element, f"<{tag}> is empty, and passed over")
            return None
        try:
            return Name.parse(text)
        except ValueError as error:
            raise self._fault(element, f"<{tag}> {text!r}: {error}") from None

    def _note_stray_text(self, element: _Element) -> None:
        if text := " ".join(element.text.split()):
            self._say(element, f"text between the elements of <{element.tag}> is passed over: {text!r}")

    def _say(self, element: _Element, message: str) -> None:
        self._note(element, Note(brief(message)))

    def _one(self, parent: _Element, tag: str) -> _Element:
        found = parent.all(tag)
        if not found:
            raise self._fault(parent, f"<{parent.tag}> has no <{tag}>")
        if len(found) > 1:
            raise self._fault(found[1], f"<{parent.tag}> has a second <{tag}>")
        return found[0]

    @contextmanager
    def _at(self, element: _Element) -> Iterator[None]:
        try:
            yield
        except InvalidService as error:
            raise self._fault(element, str(error)) from None

    def _fault(self, element: _Element, reason: str) -> ServicesFileError:
        return ServicesFileError(self._source, element.line, reason)

    def _note(self, element: _Element, note: Note) -> None:
        self._notes.append(Note(f"{self._source}:{element.line}: {note.message}", note.warning))


def _without_line_breaks(text: str) -> str:
    """Return a text without line breaks around it, and the blanks beside them; blanks alone may be meant."""
    rest = text.lstrip()
    if "\n" not in text[: len(text) - len(rest)]:
        rest = text
    whole = rest.rstrip()
    return whole if "\n" in rest[len(whole) :] else rest
