"""Measure the Discovery Proxy beside BIND and dnsmasq: ``python benchmarks/proxy.py``.

Needs root on Linux with two cores, gcc, named and dnsmasq; the tables it prints are Markdown. Each server
runs alone on one host of a test link, pinned to one core; a load generator in C runs on another host and
core. BIND has the records in a static zone, dnsmasq in its configuration, the proxy in its cache, as a
responder on the link has told them. The order of the servers turns with each round; medians are shown.

Besides: the time of the first answer for a service that is not in the cache, beside that of a multicast
client on the link.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question, decode, encode
from mcast.dns.names import Name
from mcast.unicast.framing import framed
from tests.interop.programs import Program
from tests.network.lan import Host, Lan, wait_until

FOLDER = Path(__file__).resolve().parent
GENERATOR = FOLDER / "build" / "dns_load"

ZONE = "zone.example.com"
OURS, BIND, DNSMASQ = "mcast", "BIND", "dnsmasq"
SERVERS = (OURS, BIND, DNSMASQ)
PORT = 5300
OUTSTANDING = 128
"""Queries that are not answered yet. Our choice: every server is busy, and none loses any."""

FIRST_ANSWERS = 15
"""Services whose first answers are timed."""


def main(arguments: list[str]) -> int:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description="Measure the Discovery Proxy beside BIND and dnsmasq.")
    parser.add_argument("--seconds", type=float, default=3.0, help="of one measurement (default: 3)")
    parser.add_argument("--rounds", type=int, default=3, help="of all (default: 3)")
    parser.add_argument("--services", type=int, nargs="+", default=[1, 1000], help="(default: 1 1000)")
    options = parser.parse_args(arguments)
    build_generator()
    lan = Lan(hosts=3)
    try:
        print(f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores\n")
        print("| services | " + " | ".join(f"{name}, answers a second" for name in SERVERS) + " | of BIND |")
        print("| --- |" + " --- |" * (len(SERVERS) + 1))
        for count in options.services:
            rates = measure_rates(lan, count, options.seconds, options.rounds)
            cells = " | ".join(f"{rates[name]:,.0f}" for name in SERVERS)
            print(f"| {count:,} | {cells} | {rates[OURS] / rates[BIND]:.2f} |", flush=True)
        print("\n| first answer for a service, ms | median | max |\n| --- | --- | --- |")
        for title, times in measure_first_answers(lan).items():
            print(f"| {title} | {1000 * statistics.median(times):.1f} | {1000 * max(times):.1f} |")
    finally:
        lan.close()
    return 0


def build_generator() -> None:
    """Compile the load generator when it is not there, or older than its source."""
    source = FOLDER / "dns_load.c"
    if not GENERATOR.exists() or GENERATOR.stat().st_mtime < source.stat().st_mtime:
        GENERATOR.parent.mkdir(exist_ok=True)
        subprocess.run(["gcc", "-O2", "-o", str(GENERATOR), str(source)], check=True)


def instance(number: int) -> str:
    """Return the name of a service; each is asked for by its SRV record."""
    return f"web{number}._http._tcp"


def queries(count: int) -> list[bytes]:
    """Return a query for each service."""
    return [
        encode(Message(questions=[Question(Name.parse(f"{instance(number)}.{ZONE}"), RecordType.SRV)]))
        for number in range(count)
    ]


def measure_rates(lan: Lan, count: int, seconds: float, rounds: int) -> dict[str, float]:
    """Return the median rate of each server."""
    found: dict[str, list[float]] = {name: [] for name in SERVERS}
    for turn in range(rounds):
        for place in range(len(SERVERS)):
            name = SERVERS[(turn + place) % len(SERVERS)]
            found[name].append(measure_rate(lan, name, count, seconds))
    return {name: statistics.median(rates) for name, rates in found.items()}


def measure_rate(lan: Lan, name: str, count: int, seconds: float) -> float:
    """Start a server, load it, and return its answers a second."""
    server, client, device = lan.hosts
    with tempfile.TemporaryDirectory(prefix="mcast-bench-") as folder:
        start = {OURS: start_proxy, BIND: start_bind, DNSMASQ: start_dnsmasq}[name]
        programs = start(Path(folder), server, device, count)
        try:
            address = server.ipv4()
            asked = queries(count)
            warm_up(client, address, asked)
            load = subprocess.run(
                client.command(
                    *("taskset", "-c", "1", str(GENERATOR)),
                    *(address, str(PORT), str(seconds), str(OUTSTANDING)),
                ),
                input=b"".join(map(framed, asked)),
                capture_output=True,
                check=True,
            )
            result = json.loads(load.stdout)
            if result["other"]:
                print(f"{name}: {result['other']} responses without an answer", file=sys.stderr)
            return float(result["rate"])
        finally:
            for program in programs:
                program.end()


def warm_up(client: Host, address: str, asked: list[bytes]) -> None:
    """Ask for everything until it is answered, so that a proxy has it in its cache."""
    sock = client.udp_socket()
    sock.settimeout(7)
    for query in asked:

        def answered(query: bytes = query) -> bool:
            sock.sendto(query, (address, PORT))
            try:
                return bool(decode(sock.recv(4096)).answers)
            except OSError:
                return False

        wait_until(answered, "a first answer", 60)
    sock.close()


def start_proxy(
    folder: Path, server: Host, device: Host, count: int, *, head_start: float = 0.0
) -> list[Program]:
    """Start the proxy, and a responder with the services.

    :param head_start: seconds that the responder is given to announce them, so that the proxy hears none.
    """
    services = "".join(
        f'[[service]]\nname = "web{number}"\ntype = "_http._tcp"\nport = 80\n' for number in range(count)
    )
    (folder / "services.toml").write_text(services, encoding="utf-8")
    twist = (sys.executable, "-m", "twisted", "--log-format=text")
    words = ("mcast", "mdns", "--hostname", "device", "--services", str(folder / "services.toml"))
    responder = Program(device.command("taskset", "-c", "1", *twist, *words))
    time.sleep(head_start)
    proxy = Program(
        server.command(
            *("taskset", "-c", "0", *twist, "mcast", "proxy", "--zone", f"{ZONE}=eth0"),
            *("--ns", "ns.example.com", "--listen", server.ipv4(), "--port", str(PORT)),
            *("--max-rate", "0", "--link-rate", "1000"),
        )
    )
    proxy.wait_for("answering on", 30)
    if not head_start:
        time.sleep(2.0 + count / 200)
    return [proxy, responder]


def start_bind(folder: Path, server: Host, device: Host, count: int) -> list[Program]:
    """Start BIND with the services in a zone."""
    lines = ["$TTL 10", "@ SOA ns.example.com. a.example.com. 1 7200 3600 86400 10", "@ NS ns.example.com."]
    lines += [f"{instance(number)} SRV 0 0 80 device" for number in range(count)]
    lines += [f'{instance(number)} TXT ""' for number in range(count)]
    lines += [f"_http._tcp PTR {instance(number)}" for number in range(count)]
    lines.append(f"device A {device.ipv4()}")
    (folder / "zone").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "named.conf").write_text(
        f'options {{ directory "{folder}"; listen-on port {PORT} {{ any; }}; listen-on-v6 {{ none; }};'
        f' recursion no; dnssec-validation no; max-records-per-type 0; pid-file "{folder}/pid";'
        " session-keyfile none; }; controls { };\n"
        f'zone "{ZONE}" {{ type primary; file "zone"; }};\n',
        encoding="utf-8",
    )
    words = ("taskset", "-c", "0", "named", "-g", "-n", "1", "-c", str(folder / "named.conf"))
    program = Program(server.command(*words))
    program.wait_for("all zones loaded", 30)
    return [program]


def start_dnsmasq(folder: Path, server: Host, device: Host, count: int) -> list[Program]:
    """Start dnsmasq with the services in its configuration."""
    lines = [f"port={PORT}", "no-resolv", "no-hosts", "no-daemon", "user=root"]
    lines += [f"srv-host={instance(number)}.{ZONE},device.{ZONE},80" for number in range(count)]
    lines.append(f"host-record=device.{ZONE},{device.ipv4()}")
    (folder / "dnsmasq.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = ("taskset", "-c", "0", "dnsmasq", "-k", "-C", str(folder / "dnsmasq.conf"))
    program = Program(server.command(*words))
    program.wait_for("started", 30)
    return [program]


def measure_first_answers(lan: Lan) -> dict[str, list[float]]:
    """Return the seconds until the first answer for services that nobody asked for before."""
    server, client, device = lan.hosts
    with tempfile.TemporaryDirectory(prefix="mcast-bench-") as folder:
        programs = start_proxy(Path(folder), server, device, 2 * FIRST_ANSWERS, head_start=8.0)
        try:
            by_proxy = [
                timed(lambda n=n: ask_proxy(client, server.ipv4(), n))  # type: ignore[misc]
                for n in range(FIRST_ANSWERS)
            ]
            script = FOLDER / "multicast_client.py"
            told = client.run(sys.executable, str(script), str(FIRST_ANSWERS), str(2 * FIRST_ANSWERS))
            return {"by the proxy": by_proxy, "by multicast": [float(line) for line in told.split()]}
        finally:
            for program in programs:
                program.end()


def timed(call: Callable[[], object]) -> float:
    """Return how many seconds a call takes; one at a time, well apart."""
    time.sleep(0.5)
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def ask_proxy(client: Host, address: str, number: int) -> None:
    """Ask for a service until the answer is there."""
    sock = client.udp_socket()
    sock.settimeout(7)
    sock.sendto(queries(number + 1)[number], (address, PORT))
    if not decode(sock.recv(4096)).answers:
        raise AssertionError(f"no answer for {instance(number)}")
    sock.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
