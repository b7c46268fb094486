"""The configuration of a Discovery Proxy in TOML: the options of the command line, as keys.

::

    ns = ["proxy.example.com"]
    contact = "ops@example.com"
    listen = ["192.0.2.53"]
    tls-certificate = "/etc/ssl/proxy.pem"
    tls-key = "/etc/ssl/proxy.key"
    allow = ["192.0.2.0/24"]

    [[zone]]
    name = "Building 1.example.com"
    interface = "eth0"
    host-zone = "building1.example.com"
    reverse = ["192.0.2.0/24"]
    browse-domain = ["Building 1.example.com"]
"""

from __future__ import annotations

from typing import Any, Final

from twisted.python.usage import UsageError

from mcast.dnssd.files.regular import read_regular
from mcast.dnssd.files.toml import parse_document
from mcast.dnssd.files.toml_lines import TomlLines
from mcast.errors import ServicesFileError

SIZE_LIMIT = 1_000_000
"""Octets of a file. Our choice: a zone takes two hundred."""

_TEXT: Final = "text"
_TEXTS: Final = "a list of texts"
_NUMBER: Final = "a whole number"
_SWITCH: Final = "true or false"

_KEYS: Final = {
    "ns": _TEXTS,
    "contact": _TEXT,
    "listen": _TEXTS,
    "port": _NUMBER,
    "tls-certificate": _TEXT,
    "tls-key": _TEXT,
    "tls-port": _NUMBER,
    "allow": _TEXTS,
    "max-rate": _NUMBER,
    "link-rate": _NUMBER,
    "no-reverse": _SWITCH,
    "unusable-addresses": _SWITCH,
}
_ZONE_KEYS: Final = {
    "name": _TEXT,
    "interface": _TEXT,
    "host-zone": _TEXT,
    "reverse": _TEXTS,
    "browse-domain": _TEXTS,
}


def read_proxy_file(path: str, options: Any) -> None:
    """Read a file into options, as if each key was given on the command line.

    :param options: has the methods ``opt_…`` of `mcast.tap.proxy.Options`.
    :raises ServicesFileError: naming file, line and fault.
    :raises OSError: it cannot be read.
    """
    parse_proxy_file(read_regular(path, SIZE_LIMIT), path, options)


def parse_proxy_file(data: bytes, source: str, options: Any) -> None:
    """Read the octets of a file into options; see `read_proxy_file`.

    :raises ServicesFileError: naming file, line and fault.
    """
    if len(data) > SIZE_LIMIT:
        raise ServicesFileError(source, 1, f"the file is larger than {SIZE_LIMIT} octets")
    document, lines = parse_document(data, source)
    _Reader(source, lines, options).read(document)


class _Reader:
    def __init__(self, source: str, lines: TomlLines, options: Any) -> None:
        self._source = source
        self._lines = lines
        self._options = options

    def read(self, document: dict[str, Any]) -> None:
        zones = document.pop("zone", [])
        for key, value in document.items():
            self._give((key,), key, value, _KEYS, "[[zone]]")
        if not isinstance(zones, list) or not all(isinstance(zone, dict) for zone in zones):
            raise self._fault(("zone",), "zone is a list of tables; write [[zone]]")
        for number, zone in enumerate(zones):
            self._zone(("zone", number), zone)

    def _zone(self, path: tuple[str | int, ...], zone: dict[str, Any]) -> None:
        for key in ("name", "interface"):
            if key not in zone:
                raise self._fault(path, f"the zone has no {key}")
            self._check((*path, key), key, zone[key], _ZONE_KEYS, "")
        self._call((*path, "name"), "zone", f"{zone.pop('name')}={zone.pop('interface')}")
        for key, value in zone.items():
            self._give((*path, key), key, value, _ZONE_KEYS, "")

    def _give(
        self, path: tuple[str | int, ...], key: str, value: Any, kinds: dict[str, str], more: str
    ) -> None:
        self._check(path, key, value, kinds, more)
        if kinds[key] is _SWITCH:
            self._options[key] = int(value)
            return
        for text in value if isinstance(value, list) else [value]:
            self._call(path, key, str(text))

    def _check(
        self, path: tuple[str | int, ...], key: str, value: Any, kinds: dict[str, str], more: str
    ) -> None:
        if key not in kinds:
            there_are = ", ".join([*kinds, *([more] if more else [])])
            raise self._fault(path, f"unknown key {key!r}; there are {there_are}")
        fits = {
            _TEXT: isinstance(value, str),
            _TEXTS: isinstance(value, list) and all(isinstance(each, str) for each in value),
            _NUMBER: isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63,
            _SWITCH: isinstance(value, bool),
        }
        if not fits[kinds[key]]:
            raise self._fault(path, f"{key} is {kinds[key]}")

    def _call(self, path: tuple[str | int, ...], option: str, text: str) -> None:
        try:
            getattr(self._options, "opt_" + option.replace("-", "_"))(text)
        except UsageError as error:
            raise self._fault(path, str(error).removeprefix("--")) from None

    def _fault(self, path: tuple[str | int, ...], reason: str) -> ServicesFileError:
        return ServicesFileError(self._source, self._lines.of(path), reason)
