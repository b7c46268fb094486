"""Make the pictures of the README: `mcast top` on its screen, and what `mcast ping --plot` draws.

``python docs/pictures.py`` writes docs/pictures/top.svg and ping.svg. The network is made up; the programs
are the real ones: `mcast top` plays a recording on a pseudo-terminal, whose screen is drawn.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Iterator
from html import escape
from ipaddress import ip_address
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP))

from mcast.cli.ping_plot import PingPlot  # noqa: E402
from mcast.cli.top.packets import Packet  # noqa: E402
from mcast.cli.top.recorded import Recorder  # noqa: E402
from mcast.dns import records as make  # noqa: E402
from mcast.dns.codes import QUERY_FLAGS, RESPONSE_FLAGS, RecordType  # noqa: E402
from mcast.dns.messages import Message, Question, encode  # noqa: E402
from mcast.dns.names import Name  # noqa: E402
from mcast.dnssd.found import Added, FoundAddress, FoundService, Removed  # noqa: E402
from mcast.dnssd.link_id import LinkId  # noqa: E402
from mcast.dnssd.text import Text  # noqa: E402
from mcast.echo.session import Session  # noqa: E402
from mcast.live.hearing import Hearing  # noqa: E402
from mcast.live.model import Model  # noqa: E402
from tests.cli.top.pseudo_terminal import PseudoTerminal  # noqa: E402

FOLDER = TOP / "docs" / "pictures"
ETH0 = LinkId("eth0", 2, False)
COLUMNS, LINES = 112, 30

DEVICES = (
    ("Color LaserJet", "_ipp._tcp", "printer", 631, {"ty": "Color LaserJet", "rp": "ipp/print"}),
    ("Color LaserJet", "_pdl-datastream._tcp", "printer", 9100, {}),
    ("Living Room", "_airplay._tcp", "living-room", 7000, {"model": "TV"}),
    ("Living Room", "_googlecast._tcp", "living-room", 8009, {"fn": "Living Room"}),
    ("Files", "_smb._tcp", "nas", 445, {}),
    ("Files", "_http._tcp", "nas", 5000, {"path": "/"}),
    ("Backups", "_adisk._tcp", "nas", 9, {}),
    ("Weather station", "_http._tcp", "balcony", 80, {"path": "/now"}),
    ("Heat pump", "_modbus._tcp", "cellar", 502, {}),
    ("Home Assistant", "_home-assistant._tcp", "hub", 8123, {"version": "2026.11"}),
    ("Kitchen light", "_hap._tcp", "light-1", 51826, {"ci": "5"}),
    ("Hall light", "_hap._tcp", "light-2", 51826, {"ci": "5"}),
    ("Build server", "_ssh._tcp", "build", 22, {}),
    ("Build server", "_http._tcp", "build", 8080, {"path": "/jobs"}),
    ("Desk", "_ssh._tcp", "desk", 22, {}),
    ("Desk", "_workstation._tcp", "desk", 9, {}),
    ("Garage camera", "_rtsp._tcp", "camera", 554, {"path": "/live"}),
    ("Büro Anna", "_daap._tcp", "anna", 3689, {}),
    ("Scanner", "_uscan._tcp", "printer", 80, {"rs": "eSCL"}),
    ("Doorbell", "_http._tcp", "door", 80, {"path": "/"}),
)
"""Name, type, host, port and attributes."""


def service(device: tuple[str, str, str, int, dict[str, str]]) -> FoundService:
    """Return a device as a browser tells it."""
    name, kind, host, port, attributes = device
    full_name = Name.from_labels((name, *kind.split("."), "local"))
    return FoundService(
        full_name,
        make.service(full_name, 0, 0, port, Name.from_labels((host, "local")), 120).rdata,
        Text.for_publishing(attributes).rdata,
        (FoundAddress(ip_address(address_of(host)), "eth0"),),
        (ETH0,),
    )


def address_of(host: str) -> str:
    """Return the address of a host."""
    hosts = sorted({each[2] for each in DEVICES})
    return f"192.0.2.{20 + hosts.index(host)}"


def packets(rng: random.Random) -> Iterator[tuple[bytes, str]]:
    """Yield what is said on the link: what to, and by whom."""
    while True:
        name, kind, host, port, _ = rng.choice(DEVICES)
        source = address_of(host)
        listed = Name.from_labels((*kind.split("."), "local"))
        full_name = Name.from_labels((name, *kind.split("."), "local"))
        if rng.random() < 0.35:
            asked = (Question(listed, RecordType.PTR),)
            yield encode(Message(0, QUERY_FLAGS, asked)), source
            continue
        target = Name.from_labels((host, "local"))
        answers = (
            make.pointer(listed, full_name, 4500),
            make.service(full_name, 0, 0, port, target, 120, cache_flush=True),
            make.address(target, source, 120, cache_flush=True),
        )
        yield encode(Message(0, RESPONSE_FLAGS, (), answers)), source


def record(path: str) -> None:
    """Write a minute of the made-up network."""
    rng = random.Random(4)
    model = Model()
    hearing = Hearing(model)
    now, wall = 1000.0, 1_795_602_000.0
    said = packets(rng)
    number = 0
    with open(path, "w", encoding="ascii") as stream:
        recorder = Recorder(stream)
        model.link(ETH0, True, now)
        model.watcher("desk.local", None)
        for device in DEVICES[:-3]:
            model.service(Added(service(device)), now)
        model.commit(now, wall)
        recorder.document(model.snapshot)
        for second in range(60):
            now += 1.0
            for _ in range(rng.randrange(2, 9) + (24 if second in (31, 32) else 0)):
                payload, source = next(said)
                number += 1
                at = now - rng.random() / 2
                hearing.datagram(payload, (source, 5353), ETH0, at)
                recorder.packet(Packet(number, at, "eth0/IPv4", source, 5353, payload))
            for host in model.hosts:
                if second % 10 == 3:
                    model.round_trip(host.id, 0.0003 + rng.expovariate(900), now)
            if second == 50:
                model.service(Removed(service(DEVICES[7])), now)
            if second >= 57:
                model.service(Added(service(DEVICES[second - 40])), now)
            delta = model.commit(now, wall + now - 1000)
            assert delta is not None
            recorder.document(delta)


def screen() -> Any:
    """Return the screen of `mcast top` at the end of the recording, with details open."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/recording"
        record(path)
        command = (sys.executable, "-m", "mcast.cli", "top", "--replay", path, "--speed", "64")
        with PseudoTerminal(command, COLUMNS, LINES) as terminal:
            terminal.shows("end of recording")
            terminal.press("\r")
            terminal.shows("interfaces")
            terminal.press("q")
            return {number: dict(line) for number, line in terminal.screen.buffer.items()}


INK, PAPER = "#d7dce2", "#14181d"
COLORS = {
    "default": INK,
    "green": "#5fd068",
    "magenta": "#e08be0",
    "red": "#ff7b72",
    "cyan": "#4fc3d0",
}


def draw(cells: Any) -> str:
    """Return a screen as SVG: each run of one style is a text, placed by its column."""
    wide, high = 8.4, 18.0
    width, height = COLUMNS * wide + 32, LINES * high + 56
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'width="{width:.0f}" height="{height:.0f}" xml:space="preserve">'
        "<title>mcast top in a terminal</title>"
        "<style>text{font:14px ui-monospace,SFMono-Regular,Consolas,'DejaVu Sans Mono',monospace;"
        "white-space:pre}</style>"
        f'<rect width="100%" height="100%" rx="10" fill="{PAPER}" stroke="#3a424c"/>',
        *[
            f'<circle cx="{20 + 18 * place}" cy="18" r="5.5" fill="{color}"/>'
            for place, color in enumerate(("#ff5f57", "#febc2e", "#28c840"))
        ],
    ]
    for line in range(LINES):
        column = 0
        while column < COLUMNS:
            cell = cells.get(line, {}).get(column)
            if cell is None:
                column += 1
                continue
            text, style, begin = "", _style(cell), column
            while (
                column < COLUMNS and (each := cells[line].get(column)) is not None and _style(each) == style
            ):
                text += each.data
                column += 1
            parts.append(_run(text, style, 16 + begin * wide, 50 + line * high, (column - begin) * wide))
    return "".join(parts) + "</svg>\n"


def _style(cell: Any) -> tuple[str, bool, bool, bool, bool]:
    return cell.fg, cell.bold, cell.reverse, cell.underscore, cell.strikethrough


def _run(text: str, style: tuple[str, bool, bool, bool, bool], x: float, y: float, wide: float) -> str:
    color, bold, reverse, underline, struck = style
    fill = COLORS.get(color, INK)
    paper = ""
    if reverse:
        paper = f'<rect x="{x:.1f}" y="{y - 13.5:.1f}" width="{wide:.1f}" height="18" fill="{fill}"/>'
        fill = PAPER
    if not text.strip():
        return paper
    weight = ' font-weight="700"' if bold else ""
    lines = " ".join([name for name, holds in (("underline", underline), ("line-through", struck)) if holds])
    decoration = f' text-decoration="{lines}"' if lines else ""
    # The length keeps columns in place whatever the font.
    return (
        f'{paper}<text x="{x:.1f}" y="{y:.1f}" fill="{fill}" textLength="{wide:.1f}" '
        f'lengthAdjust="spacingAndGlyphs"{weight}{decoration}>{escape(text)}</text>'
    )


def draw_ping(path: str) -> None:
    """Write the picture of a ping of four minutes to three responders."""
    rng = random.Random(2)
    session = Session(size=56, wait=1, rng=rng)
    plot = PingPlot(path, session, lambda responder: f"{responder.host} by eth0")
    for number in range(240):
        session.sent(2, number, float(number))
        waves = 0.0004 if 90 < number < 150 else 0.0
        for host, base, loss in (("192.0.2.11", 0.0004, 0.0), ("192.0.2.12", 0.0006, 0.06)):
            if rng.random() >= loss:
                after = base * (1 + rng.expovariate(5)) + (waves if host.endswith("12") else 0.0)
                answer = session.answer(session.probe(2, number), host, 7645, 2, 64, number + after)
                assert answer is not None
                plot.answer(answer)
    plot.write("mcast ping 224.0.0.123:7645", 1.0, 56)


def main() -> None:
    """Write both pictures."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "top.svg").write_text(draw(screen()), encoding="utf-8")
    draw_ping(str(FOLDER / "ping.svg"))


if __name__ == "__main__":
    main()
