"""Targets: answers to DNS updates with their signatures, and key files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from fuzz.texts import check_line
from mcast.dns.codes import RecordType
from mcast.dns.messages import decode
from mcast.dns.names import Name
from mcast.dnssd.service import Service
from mcast.errors import MalformedMessage
from mcast.unicast.key_file import KeyFileError, parse_key_file
from mcast.unicast.ownership import Owner
from mcast.unicast.registrar import Registrar
from mcast.unicast.registration import wanted_host, wanted_service
from mcast.unicast.tsig import NotAuthentic, UpdateKey, check
from mcast.unicast.updates import Update, encode_update

KEY: Final = UpdateKey(Name.parse("fuzz"), b"0123456789abcdef")
DOMAIN: Final = Name.parse("example.com")
HOST: Final = DOMAIN.prefixed("kitchen")


def update_reply(data: bytes) -> None:
    """An answer is believed, or `NotAuthentic`; whatever a server says, the registrar goes on."""
    with suppress(NotAuthentic):
        check(data, KEY, 1_800_000_000, b"M" * 32)
    try:
        reply = decode(data)
    except MalformedMessage:
        return
    registrar = Registrar(DOMAIN, Owner.of("fuzz"), 0.0)
    service = Service("Web", "_http._tcp", 80, subtypes=["_color"], domain=DOMAIN)
    registrar.add("host", wanted_host(HOST, ()), 0.0)
    registrar.add("web", wanted_service(service, HOST), 0.0)
    now = 0.0
    for _ in range(20):
        at = registrar.next_timer()
        if at is None:
            break
        now = max(now, at)
        request = registrar.due(now)
        if request is None:
            continue
        if isinstance(request, Update):
            assert encode_update(request, 1)
        else:
            assert request.type in (RecordType.SOA, RecordType.PTR, RecordType.A, RecordType.AAAA)
        registrar.answered(reply, now)
        registrar.take_events()
    registrar.stop(now)


def key_file(data: bytes) -> None:
    """A key, or an error of one line that names the file and the line."""
    try:
        key = parse_key_file(data, "k")
    except KeyFileError as error:
        check_line(error)
        if (error.source, error.line < 1) != ("k", False):
            raise AssertionError("it names no line") from error
        return
    assert key.secret
    assert "secret" not in repr(key).lower().replace(str(key.name).lower(), "")


TARGETS: dict[str, Callable[[bytes], None]] = {"update-reply": update_reply, "key-file": key_file}
