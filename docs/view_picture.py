"""Make the picture of the live view, docs/view.png: ``python docs/view_picture.py``.

A made-up network is fed to the model, and Chromium shows the page of it, which needs no network. It takes
playwright (the extra ``browser``) and Debian's Chromium.
"""

from __future__ import annotations

import json
import sys
from ipaddress import ip_address
from pathlib import Path
from random import Random
from typing import Any

from mcast.dns import records as make
from mcast.dns.codes import QUERY_FLAGS, RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import Name
from mcast.dnssd.found import Added, FoundAddress, FoundService
from mcast.dnssd.link_id import LinkId
from mcast.dnssd.text import Text
from mcast.live.hearing import Hearing
from mcast.live.model import Model

TOP = Path(__file__).resolve().parent.parent
PAGE = TOP / "mcast" / "view" / "page"
PICTURE = TOP / "docs" / "view.png"
SIZE = {"width": 1120, "height": 560}
STARTED = 1_760_000_000.0
"""The time of day in the picture, in seconds since 1970."""

DEVICES: tuple[tuple[str, str, int, str], ...] = (
    ("atelier-printer", "Example Printing", 9, "Atelier Printer ipp:631 http:80"),
    ("nas", "Example Storage", 6, "Archive smb:445 nfs:2049 http:5000 ssh:22"),
    ("living-room", "Example Audio", 14, "Living Room raop:7000 airplay:7000"),
    ("heating", "Example Climate", 2, "Heating http:80"),
    ("build-7", "Example Computers", 30, "Build 7 ssh:22 http:8080"),
    ("camera-door", "Example Optics", 700, "Door rtsp:554"),
    ("ines-laptop", "Example Computers", 5, "Ines presence:5298"),
    ("scanner", "Example Printing", 1, "Flatbed uscan:8080"),
)
"""Label, vendor, packets within ten seconds; the name of its services, their types and ports."""


def network() -> dict[str, Any]:
    """Return the snapshot of the made-up network."""
    model, rng = Model(), Random(3)
    hearing = Hearing(model)
    links = [LinkId("eth0", 2, ipv6) for ipv6 in (False, True)] + [LinkId("wlan0", 3, False)]
    now = 1000.0
    for link in links:
        model.link(link, True, now)
    model.watcher("desk.local", None)
    for number, (label, vendor, _, services) in enumerate(DEVICES):
        host, address = Name.parse(f"{label}.local"), f"192.0.2.{number + 20}"
        link = links[2] if number in (2, 6) else links[0]
        announced = make.address(host, address, 120, cache_flush=True)
        packet = encode(Message(0, RESPONSE_FLAGS, (), (announced,)))
        hearing.datagram(packet, (address, 5353), link, now, multicast=label == "heating")
        words = services.split()
        name = " ".join(word for word in words if ":" not in word)
        for kind, _, port in (word.partition(":") for word in words if ":" in word):
            full_name = Name.parse(f"_{kind}._tcp.local").prefixed(name)
            found = FoundService(
                full_name,
                make.service(full_name, 0, 0, int(port), host, 120).rdata,
                Text.for_publishing({"path": "/"}).rdata,
                (FoundAddress(ip_address(address), link.interface),),
                (link,),
            )
            model.service(Added(found), now)
        model.hosts.neighbour(address, f"00:53:00:00:00:{number:02x}", vendor)
    kinds = ("ipp", "http", "smb", "raop", "ssh", "airplay")
    for second in range(60):
        now = 1001.0 + second
        for number, (_, _, packets, _) in enumerate(DEVICES):
            for _ in range(packets // 10 + (rng.random() < packets % 10 / 10)):
                asked = Question(Name.parse(f"_{rng.choice(kinds)}._tcp.local"), RecordType.PTR)
                link = links[2] if number in (2, 6) else links[0]
                message = encode(Message(0, QUERY_FLAGS, (asked,)))
                source = (f"192.0.2.{number + 20}", 5353)
                # The linter sees what two of them do wrong.
                hearing.datagram(message, source, link, now + rng.random(), multicast=number in (4, 5))
        model.commit(now, STARTED + now)
    for number in range(len(DEVICES)):
        model.round_trip(f"h{number + 1}", 0.001 + rng.random() / 200, now)
    model.commit(now + 1.0, STARTED + now)
    return model.snapshot


def main() -> None:
    """Make the picture."""
    from playwright.sync_api import sync_playwright

    events = f"id: x-1\nevent: snapshot\ndata: {json.dumps(network())}\n\n"
    kinds = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

    def answer(route: Any) -> None:
        name = route.request.url.partition("://view/")[2] or "index.html"
        if name == "api/v1/events":
            route.fulfill(content_type="text/event-stream", body=events)
        else:
            path = PAGE / name
            route.fulfill(content_type=kinds[path.suffix], body=path.read_bytes())

    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.route("**/*", answer)
        page.goto("http://view/#map")
        page.locator(".card").first.wait_for()
        # The stream is over, and the page would say so.
        page.evaluate("""() => { const status = document.getElementById("status");
            status.dataset.state = "live"; status.textContent = "live"; }""")
        page.screenshot(path=sys.argv[1] if len(sys.argv) > 1 else PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
