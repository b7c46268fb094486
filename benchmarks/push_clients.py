"""Clients of DNS Push for `push.py`: many sessions, each with some subscriptions.

    python benchmarks/push_clients.py HOST PORT AUTHORITIES SESSIONS SUBSCRIPTIONS SECONDS

Each session follows the types ``_b0._tcp`` to ``_bN._tcp`` of ``bench.example.com``. "ready" is printed when
all are followed, and after SECONDS one JSON object: when each instance was heard of by each session, by the
clock that all processes share. What comes is only read and kept while the time runs, and understood
afterwards: this program and the proxy share two cores.
"""

from __future__ import annotations

import json
import selectors
import socket
import ssl
import sys
import time
from dataclasses import dataclass, field

from mcast.dns.codes import RecordType
from mcast.dns.names import Name
from mcast.unicast.dso import DSOType, read_dso
from mcast.unicast.framing import Unframer, framed
from mcast.unicast.push import ChangeKind, Topic, read_push
from mcast.unicast.push_client import PushClient

ZONE = "bench.example.com"
HOST = "proxy.example.com"


@dataclass(eq=False)
class Client:
    """One session."""

    stream: ssl.SSLSocket
    chunks: list[tuple[float, bytes]] = field(default_factory=list)

    def read(self) -> None:
        """Take what has come."""
        now = time.monotonic()
        try:
            while data := self.stream.recv(65536):
                self.chunks.append((now, data))
        except ssl.SSLWantReadError:
            return
        raise SystemExit("the proxy closed a session")

    def messages(self) -> list[tuple[float, bytes]]:
        """Return the messages, and when each was complete."""
        unframer = Unframer()
        return [(at, message) for at, data in self.chunks for message in unframer.feed(data)]


def connect(address: str, port: int, context: ssl.SSLContext, subscriptions: int) -> Client:
    """Return a session that has asked for all its subscriptions."""
    core = PushClient(0.0)
    core.establish(0.0)
    for kind in range(subscriptions):
        core.subscribe(Topic(Name.parse(f"_b{kind}._tcp.{ZONE}"), RecordType.PTR), 0.0)
    plain = socket.create_connection((address, port), 10)
    stream = context.wrap_socket(plain, server_hostname=HOST)
    stream.sendall(b"".join(map(framed, core.take_outgoing())))
    stream.setblocking(False)
    return Client(stream)


def wait(clients: list[Client], seconds: float, responses: int = 0) -> None:
    """Read for some time, or until each session has had so many responses."""
    selector = selectors.DefaultSelector()
    for client in clients:
        selector.register(client.stream, selectors.EVENT_READ, client)
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        for key, _ in selector.select(left):
            key.data.read()
        if responses and all(len(client.messages()) >= responses for client in clients):
            return


def report(clients: list[Client]) -> dict[str, list[float]]:
    """Return when each instance was heard of."""
    heard: dict[str, list[float]] = {}
    for client in clients:
        for at, octets in client.messages():
            message = read_dso(octets)
            if message.is_response or message.primary.type != DSOType.PUSH:
                continue
            for change in read_push(message).changes:
                if change.kind is ChangeKind.ADD:
                    label = Name.from_wire(change.rdata).labels[0].decode()
                    heard.setdefault(label, []).append(at)
    return heard


def main(address: str, port: int, authorities: str, sizes: tuple[int, int], seconds: float) -> None:
    sessions, subscriptions = sizes
    context = ssl.create_default_context(cafile=authorities)
    clients = [connect(address, port, context, subscriptions) for _ in range(sessions)]
    # One more for the Keepalive.
    wait(clients, 30.0, subscriptions + 1)
    print("ready", flush=True)
    wait(clients, seconds)
    print(json.dumps(report(clients)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], (int(sys.argv[4]), int(sys.argv[5])), float(sys.argv[6]))
