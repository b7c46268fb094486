r"""Our own files of services, in TOML.

::

    hostname = "kitchen"

    [[service]]
    name = "Web on %h"        # %h is the host's name, %% a percent sign
    type = "_http._tcp"
    subtypes = ["_printer"]
    port = 8080
    txt = { path = "/", ver = 1, tls = true, id = { hex = "00ff" } }

    [[record]]
    name = "%h.local"
    type = "LOC"
    data = "52 22 23 N 4 53 32 E -2m"

A service without a name is named after the host. ``txt`` may be a list of tables like this one, for several
TXT records (RFC 6763 §6.8). ``host``, ``domain``, ``priority``, ``weight`` and ``flagship`` are as for
`mcast.dnssd.service.Service`.

The data of a record is written as in a zone file, and that of any type as ``\# LENGTH HEXADECIMAL`` too.
``ttl`` is in seconds. With ``shared = true`` other hosts may have records of the same name and type.
"""

from __future__ import annotations

import base64
import binascii
import re
import sys
from typing import Any, Final

from mcast.dns.names import Name
from mcast.dns.presentation import parse_type
from mcast.dnssd.files.contents import RecordEntry, ServicesFile
from mcast.dnssd.files.record_string import record_to_publish
from mcast.dnssd.files.toml_limits import INTEGER_LIMIT, beyond_limits, line_of_digits
from mcast.dnssd.files.toml_lines import Path, TomlLines
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

_Kinds = dict[str, tuple[type, str]]
"""The keys that a table may have, and what each holds."""

_TEXT: Final = (str, "text")
_NUMBER: Final = (int, "a whole number")

_SERVICE_KEYS: Final[_Kinds] = {
    "name": _TEXT,
    "type": _TEXT,
    "port": _NUMBER,
    "subtypes": (list, "a list"),
    "txt": (object, "a table"),
    "host": _TEXT,
    "priority": _NUMBER,
    "weight": _NUMBER,
    "domain": _TEXT,
    "flagship": _TEXT,
}
_RECORD_KEYS: Final[_Kinds] = {
    "name": _TEXT,
    "type": _TEXT,
    "data": _TEXT,
    "ttl": _NUMBER,
    "shared": (bool, "true or false"),
}

_KEYS_BY_PART: Final = {
    "TXT": "txt",
    "instance": "name",
    "service": "type",
    "Service": "type",
    "subtype": "subtypes",
}
"""The key to blame for an error whose part begins with another word."""


def parse_toml(data: bytes, source: str, hostname: str) -> ServicesFile:
    """Read a file of services.

    :param hostname: the host's label, for ``%h``; the file may name another.
    :raises ServicesFileError: naming line and fault.
    """
    document, lines = parse_document(data, source)
    return _DocumentReader(source, hostname, lines).read(document)


def parse_document(data: bytes, source: str) -> tuple[dict[str, Any], TomlLines]:
    """Return what is in a file of TOML, and on which line each thing is.

    :raises ServicesFileError: naming line and fault.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ServicesFileError(source, data.count(b"\n", 0, error.start) + 1, "this is not UTF-8") from None
    if beyond := beyond_limits(text):
        raise ServicesFileError(source, *beyond)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        at_end = text.rstrip("\n").count("\n") + 1
        line = int(place["line"]) if place and place["line"] else at_end
        raise ServicesFileError(source, line, _PLACE.sub("", str(error))) from None
    except ValueError:
        # Not its own error but that of int().
        raise ServicesFileError(source, line_of_digits(text), "a number has too many digits") from None
    except RecursionError:
        raise ServicesFileError(source, 1, "it is nested too deep") from None
    return document, TomlLines(text)


class _DocumentReader:
    """Turns a document into services and records."""

    def __init__(self, source: str, hostname: str, lines: TomlLines) -> None:
        self._source = source
        self._hostname = hostname
        self._lines = lines
        self._notes: list[Note] = []

    def read(self, document: dict[str, Any]) -> ServicesFile:
        for key in document:
            if key not in ("hostname", "service", "record"):
                raise self._fault(
                    (key,), f"unknown key {key!r}; there are hostname, [[service]] and [[record]]"
                )
        hostname = self._own_hostname(document.get("hostname"))
        services = [self._service(*entry) for entry in self._tables(document, "service")]
        records = [self._record(*entry) for entry in self._tables(document, "record")]
        return ServicesFile(tuple(services), hostname, tuple(self._notes), tuple(records))

    def _own_hostname(self, hostname: object) -> str | None:
        if hostname is None:
            return None
        if not isinstance(hostname, str):
            raise self._fault(("hostname",), "hostname is text")
        try:
            self._hostname = checked_host_label(hostname)
        except InvalidService as error:
            raise self._fault(("hostname",), str(error)) from None
        return self._hostname

    def _tables(self, document: dict[str, Any], key: str) -> list[tuple[Path, dict[str, Any]]]:
        tables = document.get(key, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise self._fault((key,), f"{key} is a list of tables; write [[{key}]]")
        return [((key, number), table) for number, table in enumerate(tables)]

    def _check_keys(
        self, path: Path, table: dict[str, Any], kinds: _Kinds, required: tuple[str, ...]
    ) -> None:
        for key, value in table.items():
            if key not in kinds:
                raise self._fault((*path, key), f"unknown key {key!r}; there are {', '.join(kinds)}")
            kind, description = kinds[key]
            if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
                raise self._fault((*path, key), f"{key} is {description}")
            if isinstance(value, int) and abs(value) >= INTEGER_LIMIT:
                # Also where only hexadecimal digits could write it: such a number cannot even be shown.
                raise self._fault((*path, key), f"{key} has more than 64 bits")
        for key in required:
            if key not in table:
                raise self._fault(path, f"the {path[0]} has no {key}")

    def _service(self, path: Path, table: dict[str, Any]) -> Service:
        self._check_keys(path, table, _SERVICE_KEYS, ("type", "port"))
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

    def _record(self, path: Path, table: dict[str, Any]) -> RecordEntry:
        self._check_keys(path, table, _RECORD_KEYS, ("name", "type", "data"))
        key = "name"
        try:
            name = Name.parse(self._with_host(table[key]))
            key = "type"
            rtype = parse_type(table[key])
            key = "data"
            record = record_to_publish(name, rtype, table[key], table.get("ttl"))
        except InvalidService as error:
            raise self._fault((*path, error.part.split()[0]), str(error)) from None
        except ValueError as error:
            raise self._fault((*path, key), str(error)) from None
        return RecordEntry(record, table.get("shared", False))

    def _with_host(self, name: str) -> str:
        return re.sub("%[h%]", lambda found: self._hostname if found[0] == "%h" else "%", name)

    def _texts(self, path: Path, given: object) -> list[Text]:
        tables = given if isinstance(given, list) and given else [given]
        return [self._text((*path, "txt"), table) for table in tables]

    def _text(self, path: Path, table: object) -> Text:
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

    def _fault(self, path: Path, reason: str) -> ServicesFileError:
        return ServicesFileError(self._source, self._lines.of(path), reason)


def _text_value(value: object) -> TextValue:
    """Return what goes into the TXT record; a whole number is written in digits.

    :raises ValueError: for what could be written in several ways.
    """
    if isinstance(value, str) or value is True:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) >= INTEGER_LIMIT:
            raise ValueError("a number has at most 64 bits")
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
