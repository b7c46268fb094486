"""Targets that take what a person wrote, or a file that may be anybody's."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from random import Random

from twisted.internet.endpoints import clientFromString, serverFromString
from twisted.internet.testing import MemoryReactorClock

from mcast.cli.capture import read_capture
from mcast.dns.presentation import show_record
from mcast.dnssd.files.read import parse_services
from mcast.dnssd.files.record_string import parse_record_string
from mcast.dnssd.files.service_string import parse_service_string
from mcast.dnssd.service import Service
from mcast.dnssd.text import Text
from mcast.errors import InvalidService, ServicesFileError
from mcast.node.node import Node
from mcast.node.state import StateFile
from mcast.testing import SimulatedLan


def txt(data: bytes) -> None:
    """TXT rdata (RFC 6763 §6): read as it is, or refused as a whole."""
    try:
        text = Text.from_rdata(data)
    except ValueError:
        return
    assert Text.from_rdata(text.rdata).strings == text.strings
    for key, value in text.items():
        assert text[key.upper()] == value
        assert text.lookup(key)
    try:
        text.check()
    except InvalidService as error:
        check_line(error)
        return
    assert all(map(str, text.notes()))


def check_line(error: Exception) -> None:
    """A person's mistake is one line."""
    assert "\n" not in str(error), repr(str(error))


def service_string(data: bytes) -> None:
    """``--service`` (one line): a service, or one line that says what is wrong."""
    try:
        service = parse_service_string(data.decode("utf-8", "surrogateescape"))
    except InvalidService as error:
        check_line(error)
        return
    assert repr(service)


def record_string(data: bytes) -> None:
    """``--record``: a record that reads the same when shown, or one line that says what is wrong."""
    try:
        record = parse_record_string(data.decode("utf-8", "surrogateescape"))
    except InvalidService as error:
        check_line(error)
        return
    assert parse_record_string(show_record(record)) == record, show_record(record)


def endpoint_string(data: bytes) -> None:
    """``mdns:`` strings, to serve and to connect: an endpoint, or ValueError."""
    text = "mdns:" + data.decode("utf-8", "surrogateescape")
    for from_string in (serverFromString, clientFromString):
        try:
            assert repr(from_string(MemoryReactorClock(), text))
        except ValueError as error:
            check_line(error)
        except RuntimeError:
            # Twisted's own division of a string that ends in the middle of a quotation.
            if not text.endswith("\\"):
                raise


def avahi(data: bytes) -> None:
    """Avahi's XML: services, or an error that names the line."""
    services_file(b"<" + data.lstrip()[1:] if not data.lstrip().startswith(b"<") else data)


def services_file(data: bytes) -> None:
    """A file of services: TOML or XML, or an error that names file and line."""
    try:
        found = parse_services(data, "here.toml", "kitchen")
    except ServicesFileError as error:
        check_line(error)
        return
    assert all(repr(service) for service in found.services)
    assert all(show_record(entry.record) for entry in found.records)


def capture(data: bytes) -> None:
    """pcap and pcapng: datagrams, or ValueError."""
    try:
        for datagram in read_capture(io.BytesIO(data)):
            assert datagram.source
            assert datagram.at == datagram.at, "not a time"
    except ValueError as error:
        check_line(error)


def state(data: bytes) -> None:
    """The state file of a node: whatever it holds, the node starts, and publishes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "state.json")
        path.write_bytes(data)
        lan = SimulatedLan(seed=1)
        host = lan.host("kitchen")
        node = Node(lan.clock, network=host, hostname="kitchen", rng=Random(1), state=StateFile(path))
        node.startService()
        service = node.publish(Service("Web", "_http._tcp", 80))
        lan.result(service.when_claimed())
        remembered = StateFile(path)
        remembered["one"] = "two"
        assert StateFile(path)["one"] == "two"
        lan.result(node.stopService())
        lan.advance(5.0)


TARGETS = {
    "txt": txt,
    "service-string": service_string,
    "record-string": record_string,
    "endpoint-string": endpoint_string,
    "avahi": avahi,
    "services-file": services_file,
    "capture": capture,
    "state": state,
}
