"""Make the seeds of `fuzz/corpus` anew: packets that real programs send each other between namespaces.

``python -m fuzz.make_corpus`` (root, avahi-daemon and its tools, dig, python-zeroconf). Three hosts publish
the same kinds of things, clash over names, browse, resolve and leave, while a fourth one listens. Of the
packets that look alike the first stays. Then it writes captures and stories made of the same packets.
"""

from __future__ import annotations

import io
import shutil
import time
from hashlib import sha256
from pathlib import Path

import dpkt

from fuzz.links import Step, write_steps
from fuzz.targets import FOLDER
from mcast.dns.messages import Message, decode
from mcast.errors import MalformedMessage
from tests.interop.peers import AvahiHost, Responder, ZeroconfHost, avahi_service_file
from tests.interop.probe import Packet, Sniffer
from tests.network.lan import Lan

CORPUS = FOLDER / "corpus"
LIMIT = 12
"""Packets of each program. Our choice: the kinds there are, and a corpus that is run through in a second."""


def record() -> dict[str, list[Packet]]:
    """Let the programs talk; return the packets of each."""
    lan = Lan(hosts=4)
    try:
        ours, avahi, zeroconf, watcher = lan.hosts
        sniffer = Sniffer(watcher)
        mine = Responder(
            ours, "--hostname", "kitchen", "--service", "Web:_http._tcp,_printer:80:path=/:ver=1"
        )
        theirs = AvahiHost(
            avahi, "kitchen", services={"a.service": avahi_service_file("Web", "_http._tcp", 81, txt=["a=1"])}
        )
        peer = ZeroconfHost(zeroconf)
        fields = {"type": "_http._tcp", "instance": "Web", "host": "kitchen"}
        peer.tell("register", **fields, port=82, addresses=[zeroconf.ipv4()], txt={"b": "2"})
        peer.tell("browse", type="_http._tcp")
        mine.wait_for("published Web")
        theirs.browse("-r", "_http._tcp")
        theirs.browse("-a")
        ours.run("python", "-m", "mcast.cli", "browse", "_http._tcp", "--wait", "2", check=False)
        for name, kind in (("kitchen.local", "A"), ("_http._tcp.local", "PTR"), ("kitchen.local", "AAAA")):
            watcher.run(
                "dig", "+tries=1", "+time=1", "-p", "5353", f"@{ours.ipv4()}", name, kind, check=False
            )
        time.sleep(2)
        mine.close()
        theirs.close()
        peer.close()
        time.sleep(1)
        packets = list(sniffer.poll())
        sniffer.close()
        names = {
            host.ipv4(): name
            for host, name in zip(lan.hosts, ("mcast", "avahi", "zeroconf", "dig"), strict=True)
        }
        names |= {host.link_local(): names[host.ipv4()] for host in lan.hosts}
        return {
            name: [packet for packet in packets if names.get(packet.source) == name]
            for name in sorted(set(names.values()))
        }
    finally:
        lan.close()


def shape(message: Message) -> object:
    """Return what two packets have in common that look alike."""
    sections = (message.answers, message.authorities, message.additionals)
    return (
        message.flags,
        tuple((question.type, question.unicast) for question in message.questions),
        tuple(tuple((one.type, one.cache_flush, one.ttl == 0) for one in section) for section in sections),
    )


def distinct(packets: list[Packet]) -> list[bytes]:
    """Return one packet of each shape, the shortest first."""
    seen: dict[object, bytes] = {}
    for packet in packets:
        try:
            seen.setdefault(shape(decode(packet.payload)), packet.payload)
        except MalformedMessage:
            continue
    return sorted(seen.values(), key=len)


def spread(payloads: list[bytes]) -> list[bytes]:
    """Return at most `LIMIT` of them, of all sizes."""
    step = max(1.0, len(payloads) / LIMIT)
    return [payloads[int(number * step)] for number in range(min(LIMIT, len(payloads)))]


def store(folder: Path, prefix: str, data: bytes) -> None:
    """Write a seed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{prefix}-{sha256(data).hexdigest()[:8]}").write_bytes(data)


def captures(payloads: list[bytes]) -> None:
    """Write the packets as captures of the kinds that there are."""
    frames = [
        bytes(
            dpkt.ip.IP(
                src=bytes((10, 0, 0, 1)),
                dst=bytes((224, 0, 0, 251)),
                p=17,
                ttl=255,
                data=dpkt.udp.UDP(sport=5353, dport=5353, ulen=8 + len(payload), data=payload),
            )
        )
        for payload in payloads[:4]
    ]
    for name, writer, link_type, head in (
        ("pcap-raw", dpkt.pcap.Writer, 101, b""),
        ("pcap-ethernet", dpkt.pcap.Writer, 1, bytes(12) + b"\x08\x00"),
        ("pcap-cooked", dpkt.pcap.Writer, 113, bytes(14) + b"\x08\x00"),
        ("pcapng-raw", dpkt.pcapng.Writer, 101, b""),
    ):
        stream = io.BytesIO()
        made = writer(stream, linktype=link_type) if writer is dpkt.pcap.Writer else writer(stream)
        for number, frame in enumerate(frames):
            made.writepkt(head + frame, ts=1000.0 + number)
        store(CORPUS / "capture", name, stream.getvalue())


def stories(payloads: list[bytes]) -> None:
    """Write inputs of the target ``links``: two responders and a browser, and the packets of the others."""
    opening = [Step(9 | 4 << 4, 0), Step(9, 0), Step(11 | 1 << 4, 1), Step(9 | 5 << 4, 5)]
    for number in range(0, len(payloads), 6):
        heard = [
            Step((at % 4) | (at % 3) << 4, at % 9, payload)
            for at, payload in enumerate(payloads[number : number + 6])
        ]
        store(
            CORPUS / "links", "story", write_steps([*opening, *heard, Step(13, 6), Step(14, 8), Step(10, 3)])
        )


def main() -> None:
    """Record, choose, and write."""
    chosen = {name: spread(distinct(packets)) for name, packets in record().items()}
    for folder in ("packets", "capture", "links"):
        shutil.rmtree(CORPUS / folder, ignore_errors=True)
    for name, payloads in chosen.items():
        print(f"{name}: {len(payloads)} packets")
        for payload in payloads:
            store(CORPUS / "packets", name, payload)
    everything = [payload for payloads in chosen.values() for payload in payloads]
    captures(everything)
    stories(everything)


if __name__ == "__main__":
    main()
