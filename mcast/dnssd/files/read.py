"""Files of services: our TOML, and Avahi's XML as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from mcast.dnssd.files.avahi import parse_avahi
from mcast.dnssd.files.contents import ServicesFile
from mcast.dnssd.files.regular import read_regular
from mcast.dnssd.files.toml import parse_toml
from mcast.errors import ServicesFileError

SIZE_LIMIT = 1 << 20
"""Octets in a file. Our choice: some thousand services; more is a file given by mistake."""

_XML = re.compile(rb"(\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[\s\0]*<")
"""How XML begins, in the encodings it may have. No TOML document begins like that."""


def read_services(path: str | Path, hostname: str) -> ServicesFile:
    """Read a file of either kind.

    :param hostname: the host's label, for ``%h`` in names.
    :raises OSError: when the file cannot be read, or is no regular file.
    :raises ServicesFileError: naming file, line and fault.
    """
    return parse_services(read_regular(path, SIZE_LIMIT), str(path), hostname)


def parse_services(data: bytes, source: str, hostname: str) -> ServicesFile:
    """Understand the octets of a file.

    :param source: what the file is called in errors.
    :param hostname: as for `read_services`.
    :raises ServicesFileError: naming file, line and fault.
    """
    if len(data) > SIZE_LIMIT:
        raise ServicesFileError(source, 1, f"the file is larger than {SIZE_LIMIT} octets")
    parse = parse_avahi if _XML.match(data) else parse_toml
    return parse(data, source, hostname)
