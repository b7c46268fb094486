"""Our own files of services, in TOML.

::

    hostname = "kitchen"

    [[service]]
    name = "Web on %h"        # %h is the host's name, %% a percent sign
    type = "_http._tcp"
    subtypes = ["_printer"]
    port = 8080
    txt = { path = "/", ver = 1, tls = true, id = { hex = "00ff" } }

A service without a name is named after the host. ``txt`` may be a list of such tables, for several TXT
records (RFC 6763 §6.8). ``host``, ``domain``, ``priority``, ``weight`` and ``flagship`` are as for
`mcast.dnssd.service.Service`.
"""

from __future__ import annotations

import base64
import binascii
import re
import sys
from typing import Any

from mcast.dnssd.files.contents import ServicesFile
from mcast.dnssd.hosts import checked_host_label
from mcast.dnssd.service import Service
from mcast.dnssd.text import Note, Text, TextValue
from mcast.errors import InvalidService, ServicesFileError

if sys.version_info >= (3, 11):
    import tomllib
else:
    # Installed only where Python has no tomllib, which is not where mypy runs.
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

_PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column \d+|end of document)\)$")
"""Where the reader of TOML tells the place of a fault."""

_KINDS: dict[str, tuple[type, str]] = {
    "name": (str, "text"),
    "type": (str, "text"),
    "port": (int, "a whole number"),
    "subtypes": (list, "a list"),
    "txt": (object, "a table"),
    "host": (str, "text"),
    "priority": (int, "a whole number"),
    "weight": (int, "a whole number"),
    "domain": (str, "text"),
    "flagship": (str, "text"),
}
"""The keys of a service, and what each holds."""

_KEYS_BY_PART = {
    "TXT": "txt",
    "instance": "name",
    "service": "type",
    "Service": "type",
    "subtype": "subtypes",
}
"""The key to blame for an error whose part begins with another word."""

_Path = tuple[str | int, ...]
"""Where in a document: keys, and numbers counted from 0 in lists of tables."""


def parse_toml(data: bytes, source: str, hostname: str) -> ServicesFile:
    """Read a file of services.

    :param hostname: the host's label, for ``%h``; the file may name another.
    :raises ServicesFileError: naming line and fault.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ServicesFileError(source, data.count(b"\n", 0, error.start) + 1, "this is not UTF-8") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        at_end = text.rstrip("\n").count("\n") + 1
        line = int(place["line"]) if place and place["line"] else at_end
        raise ServicesFileError(source, line, _PLACE.sub("", str(error))) from None
    except RecursionError:
        raise ServicesFileError(source, 1, "it is nested too deep") from None
    return _Meaning(source, hostname, _Lines(text)).of(document)


class _Meaning:
    """Turns a document into services."""

    def __init__(self, source: str, hostname: str, lines: _Lines) -> None:
        self._source = source
        self._hostname = hostname
        self._lines = lines
        self._notes: list[Note] = []

    def of(self, document: dict[str, Any]) -> ServicesFile:
        for key in document:
            if key not in ("hostname", "service"):
                raise self._fault((key,), f"unknown key {key!r}; there are hostname and [[service]]")
        hostname = document.get("hostname")
        if hostname is not None:
            if not isinstance(hostname, str):
                raise self._fault(("hostname",), "hostname is text")
            try:
                hostname = checked_host_label(hostname)
            except InvalidService as error:
                raise self._fault(("hostname",), str(error)) from None
            self._hostname = hostname
        tables = document.get("service", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise self._fault(("service",), "service is a list of tables; write [[service]]")
        services = tuple(self._service(number, table) for number, table in enumerate(tables))
        return ServicesFile(services, hostname, tuple(self._notes))

    def _service(self, number: int, table: dict[str, Any]) -> Service:
        path: _Path = ("service", number)
        for key, value in table.items():
            if key not in _KINDS:
                raise self._fault((*path, key), f"unknown key {key!r}; there are {', '.join(_KINDS)}")
            kind, description = _KINDS[key]
            if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
                raise self._fault((*path, key), f"{key} is {description}")
        for key in ("type", "port"):
            if key not in table:
                raise self._fault(path, f"the service has no {key}")
        arguments = dict(table)
        for position, subtype in enumerate(arguments.get("subtypes", ())):
            if not isinstance(subtype, str):
                raise self._fault((*path, "subtypes"), f"subtype {position + 1} is text")
        name = arguments.pop("name", None)
        text, *more_text = self._texts(path, arguments.pop("txt", {}))
        try:
            service = Service(
                None if name is None else self._with_host(name), txt=text, more_txt=more_text, **arguments
            )
        except InvalidService as error:
            word = error.part.split()[0]
            raise self._fault((*path, _KEYS_BY_PART.get(word, word)), str(error)) from None
        line = self._lines.of(path)
        self._notes += [Note(f"{self._source}:{line}: {note}", note.warning) for note in service.notes()]
        return service

    def _with_host(self, name: str) -> str:
        return re.sub("%[h%]", lambda found: self._hostname if found[0] == "%h" else "%", name)

    def _texts(self, path: _Path, given: object) -> list[Text]:
        tables = given if isinstance(given, list) and given else [given]
        return [self._text((*path, "txt"), table) for table in tables]

    def _text(self, path: _Path, table: object) -> Text:
        if not isinstance(table, dict):
            raise self._fault(path, 'txt is a table, like { path = "/" }')
        pairs = []
        for key, value in table.items():
            try:
                pairs.append((key, _text_value(value)))
            except ValueError as error:
                raise self._fault((*path, key), f"TXT key {key!r}: {error}") from None
        try:
            return Text.for_publishing(pairs)
        except InvalidService as error:
            raise self._fault(path, str(error)) from None

    def _fault(self, path: _Path, reason: str) -> ServicesFileError:
        return ServicesFileError(self._source, self._lines.of(path), reason)


def _text_value(value: object) -> TextValue:
    """Return what goes into the TXT record; a whole number is written in digits.

    :raises ValueError: for what could be written in several ways.
    """
    if isinstance(value, str) or value is True:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, dict) and len(value) == 1:
        ((form, digits),) = value.items()
        if form == "hex" and isinstance(digits, str):
            return binascii.unhexlify(digits)
        if form == "base64" and isinstance(digits, str):
            decoded = base64.b64decode(digits, validate=True)
            # Python 3.10 takes stray padding, such as a lone "=".
            if base64.b64encode(decoded).decode() == digits:
                return decoded
    raise ValueError('a value is text, a whole number, true, { hex = "00ff" } or { base64 = "AP8=" }')


class _Lines:
    """Knows on which line of a TOML document tables and keys stand.

    The reader of TOML does not tell. This looks at line beginnings only, which a document that was read
    without a fault lets it do; what stands in the middle of a line is found with the table or key that the
    line begins with.
    """

    _HEADER = re.compile(r"\s*(?P<brackets>\[\[?)(?P<path>[^\[\]]+)\]")
    _PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
    _KEY = re.compile(rf"\s*(?P<path>(?:{_PART.pattern})(?:\s*\.\s*(?:{_PART.pattern}))*)\s*=")
    # A string on one line or a comment may hold what looks like the beginning of a string of several.
    _TOKEN = re.compile(r'''"""|\'\'\'|"(?:\\.|[^"\\])*"|'[^']*'|#.*''')

    def __init__(self, text: str) -> None:
        self._lines: dict[_Path, int] = {}
        self._counts: dict[_Path, int] = {}
        table: _Path = ()
        unclosed: str | None = None
        for number, line in enumerate(text.split("\n"), 1):
            if unclosed is None:
                if header := self._HEADER.match(line):
                    table = self._table(header, number)
                elif key := self._KEY.match(line):
                    self._record((*table, *self._parts(key["path"])), number)
            unclosed = self._unclosed(line, unclosed)

    def of(self, path: _Path) -> int:
        """Return the line of a table or key, or of the nearest one around it; 1 where none is known."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def _table(self, header: re.Match[str], number: int) -> _Path:
        table: _Path = ()
        parts = self._parts(header["path"])
        for depth, part in enumerate(parts):
            table = (*table, part)
            if header["brackets"] == "[[" and depth == len(parts) - 1:
                self._counts[table] = self._counts.get(table, -1) + 1
            if table in self._counts:
                # In [service.txt] the service is the last one before it.
                table = (*table, self._counts[table])
        self._record(table, number)
        return table

    def _record(self, path: _Path, number: int) -> None:
        # Also for the tables that a dotted key or header implies.
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], number)

    def _parts(self, path: str) -> list[str]:
        return [part.strip("\"'") for part in self._PART.findall(path)]

    def _unclosed(self, line: str, unclosed: str | None) -> str | None:
        position = 0
        while True:
            if unclosed is not None:
                end = line.find(unclosed, position)
                if end < 0:
                    return unclosed
                position = end + 3
                unclosed = None
            token = self._TOKEN.search(line, position)
            if token is None:
                return None
            position = token.end()
            if token[0] in ('"""', "'''"):
                unclosed = token[0]
