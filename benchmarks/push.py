"""How soon a change on a link reaches the subscribers of DNS Push, and what a subscription costs.

    python benchmarks/push.py           (root, for network namespaces)

A device on the link announces one service after the other; `twist mcast proxy` pushes each to all sessions
that follow its type, by TLS. Both ends read the same clock, so that the times are those of one way. What a
subscription costs is the growth of the proxy's memory.
"""

from __future__ import annotations

import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mcast.dns.codes import RESPONSE_FLAGS
from mcast.dns.messages import Message, encode
from mcast.dns.names import Name
from mcast.dns.records import address, pointer, service, text
from tests.certificates import Authority
from tests.network.lan import Host, Lan, wait_until

SESSIONS = 100
SUBSCRIPTIONS = 10
"""Of each session: a thousand in all."""
CHANGES = 200
INTERVAL = 0.1
"""Seconds between two changes."""
SETTLING = 1.0
"""Seconds after the last change in which it may still arrive."""
PORT, TLS_PORT = 5300, 8853


def announcement(number: int, source: str) -> bytes:
    """Return what a device multicasts that publishes a service anew (RFC 6762 §8.3)."""
    kind = Name.parse(f"_b{number % SUBSCRIPTIONS}._tcp.local")
    instance = kind.prefixed(f"change {number}")
    host = Name.parse("device.local")
    records = [
        address(host, source, 120, True),
        service(instance, 0, 0, 8080, host, 120, True),
        text(instance, [b"path=/"], 4500, True),
        pointer(kind, instance, 4500),
    ]
    return encode(Message(flags=RESPONSE_FLAGS, answers=records))


def resident(process: subprocess.Popen[str]) -> int:
    """Return the octets of memory that a process holds."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0


def start_proxy(host: Host, folder: Path) -> subprocess.Popen[str]:
    """Start the proxy, and wait until its TLS port is open."""
    process = host.spawn(
        *("twist", "mcast", "proxy", "--zone", "bench.example.com=eth0", "--ns", "proxy.example.com"),
        *("--listen", "127.0.0.1", "--port", str(PORT), "--tls-port", str(TLS_PORT)),
        *("--tls-certificate", str(folder / "certificate.pem"), "--tls-key", str(folder / "key.pem")),
    )

    def listens() -> bool:
        return f":{TLS_PORT}" in host.run("ss", "-Hltn")

    wait_until(listens, "the proxy listens by TLS")
    # Queries of the beginning are over then.
    time.sleep(2)
    return process


def clients(host: Host, folder: Path, sessions: int, seconds: float) -> subprocess.Popen[str]:
    """Start the clients, and wait until all subscriptions are accepted."""
    process = subprocess.Popen(
        host.command(
            *(sys.executable, "benchmarks/push_clients.py", "127.0.0.1", str(TLS_PORT)),
            *(str(folder / "authority.pem"), str(sessions), str(SUBSCRIPTIONS), str(seconds)),
        ),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def announce(host: Host, count: int) -> dict[str, float]:
    """Let a device announce services; return when each left."""
    sent = {}
    with host.inside():
        device = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        device.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        device.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        device.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(host.ipv4()))
        device.bind((host.ipv4(), 5353))
    with device:
        for number in range(count):
            payload = announcement(number, host.ipv4())
            sent[f"change {number}"] = time.monotonic()
            device.sendto(payload, ("224.0.0.251", 5353))
            time.sleep(INTERVAL)
    return sent


def measure(lan: Lan, folder: Path) -> None:
    """Measure, and print a table."""
    proxy_host, device = lan.hosts
    proxy = start_proxy(proxy_host, folder)
    try:
        before = resident(proxy)
        seconds = CHANGES * INTERVAL * 1.2 + SETTLING
        running = clients(proxy_host, folder, SESSIONS, seconds)
        with_all = resident(proxy)
        sent = announce(device, CHANGES)
        output, _ = running.communicate(timeout=seconds + 30)
        heard: dict[str, list[float]] = json.loads(output)
    finally:
        proxy_host.end(proxy)
    delays = sorted(at - sent[name] for name, times in heard.items() if name in sent for at in times)
    expected = CHANGES * SESSIONS
    subscriptions = SESSIONS * SUBSCRIPTIONS
    p99 = delays[int(len(delays) * 0.99)]
    print("| sessions | subscriptions | changes told | p50 | p99 | worst | memory for each subscription |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    print(
        f"| {SESSIONS} | {subscriptions:,} | {len(delays):,} of {expected:,} "
        f"| {statistics.median(delays) * 1000:.1f} ms | {p99 * 1000:.1f} ms | {delays[-1] * 1000:.1f} ms "
        f"| {(with_all - before) / subscriptions / 1000:.1f} kB, TLS included |"
    )
    print(f"load of this machine: {os.getloadavg()[0]:.1f}")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = Authority()
        authority.write(str(folder / "authority.pem"))
        authority.write_server("proxy.example.com", str(folder / "certificate.pem"), str(folder / "key.pem"))
        lan = Lan(hosts=2, links=1)
        try:
            measure(lan, folder)
        finally:
            lan.close()


if __name__ == "__main__":
    main()
