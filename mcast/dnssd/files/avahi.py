"""Avahi's static service files (avahi.service(5))."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from xml.parsers import expat

from mcast.dns.names import LOCAL, Name
from mcast.dnssd.files.contents import ServicesFile
from mcast.dnssd.files.service_string import parse_port
from mcast.dnssd.instances import checked_instance
from mcast.dnssd.service import Service
from mcast.dnssd.text import Note, Text
from mcast.dnssd.types import SUBTYPE_LABEL, ServiceType
from mcast.errors import InvalidService, ServicesFileError

HOST_WILDCARD = "%h"
"""Stands for the host's name where ``replace-wildcards="yes"``."""

_CHILDREN: dict[str | None, frozenset[str]] = {
    None: frozenset({"service-group"}),
    "service-group": frozenset({"name", "service"}),
    "service": frozenset({"type", "subtype", "domain-name", "host-name", "port", "txt-record"}),
}
"""Which elements an element may hold; all others hold text. So the depth is bounded as well."""

_ATTRIBUTES: dict[tuple[str, str], frozenset[str]] = {
    ("name", "replace-wildcards"): frozenset({"yes", "no"}),
    ("service", "protocol"): frozenset({"ipv4", "ipv6", "any"}),
    ("txt-record", "value-format"): frozenset({"text", "binary-hex", "binary-base64"}),
}
"""The values that attributes may have."""


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
        except LookupError:
            # The encoding that the first line names.
            raise self._fault("the encoding is not known", 1) from None
        assert self._root is not None
        return self._root

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        parent = self._open[-1] if self._open else None
        if tag not in _CHILDREN.get(None if parent is None else parent.tag, frozenset()):
            where = "a service file" if parent is None else f"<{parent.tag}>"
            raise self._fault(f"<{tag}> does not stand in {where}")
        for name, value in attributes.items():
            allowed = _ATTRIBUTES.get((tag, name))
            if allowed is None:
                raise self._fault(f"<{tag}> has no attribute {name!r}")
            if value not in allowed:
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
        element = self._open[-1]
        if element.tag not in _CHILDREN:
            element.pieces.append(text)
        elif text.strip():
            raise self._fault(f"text between the elements of <{element.tag}>")

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
        if name_element.attributes.get("replace-wildcards") == "yes":
            name = name.replace(HOST_WILDCARD, self._hostname)
        with self._at(name_element):
            checked_instance(name)
        services = tuple(self._service(name, element) for element in group.all("service"))
        if not services:
            raise self._fault(group, "there is no <service>")
        return ServicesFile(services, notes=tuple(self._notes))

    def _service(self, name: str, element: _Element) -> Service:
        protocol = element.attributes.get("protocol", "any")
        if protocol != "any":
            self._note(element, Note(f'protocol="{protocol}" is passed over: announced over both families'))
        type_element = self._one(element, "type")
        with self._at(type_element):
            # We publish what Avahi publishes: Service.notes() tells when the type breaks a rule of RFC 6335.
            type = ServiceType.parse(type_element.text.strip(), strict=False)
        port_element = self._one(element, "port")
        with self._at(port_element):
            port = parse_port(port_element.text.strip())
        text = Text(self._string(record) for record in element.all("txt-record"))
        with self._at(element):
            service = Service(
                name,
                type,
                port,
                txt=text,
                subtypes=[self._subtype(subtype, type) for subtype in element.all("subtype")],
                domain=self._domain_name(element, "domain-name") or LOCAL,
                host=self._domain_name(element, "host-name"),
            )
        for note in service.notes():
            self._note(element, note)
        return service

    def _subtype(self, element: _Element, type: ServiceType) -> bytes:
        """Return the label of a subtype that is written out, ``_anon._sub._ftp._tcp``."""
        text = element.text.strip()
        try:
            label, *rest = Name.parse(text).labels
        except ValueError as error:
            raise self._fault(element, f"subtype {text!r}: {error}") from None
        if Name.from_labels(rest) != Name.from_labels((SUBTYPE_LABEL, *type.labels)):
            raise self._fault(element, f"subtype {text!r}: it does not end in ._sub.{type}")
        return label

    def _string(self, element: _Element) -> bytes:
        """Return one string of the TXT record; its value may be written in hexadecimal digits or Base64."""
        form = element.attributes.get("value-format", "text")
        key, equals, value = element.text.partition("=")
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

    def _domain_name(self, parent: _Element, tag: str) -> Name | None:
        if not parent.all(tag):
            return None
        element = self._one(parent, tag)
        text = element.text.strip()
        try:
            return Name.parse(text)
        except ValueError as error:
            raise self._fault(element, f"<{tag}> {text!r}: {error}") from None

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
