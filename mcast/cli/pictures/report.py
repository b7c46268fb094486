"""A page about a capture, for a bug report: one HTML file that loads nothing and runs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from mcast.cli.pictures.svg import FONT, MONO
from mcast.cli.pictures.timeline import Timeline, time_of_day
from mcast.showing import shown
from mcast.version import version

SHOWN_ROWS = 200
"""Rows of a table that are shown. Our choice: more than a person reads; how many are left out is told."""

SHOWN_LINES = 60
"""Lines of a packet that are shown. Our choice: its octets are there as well."""


@dataclass(frozen=True, slots=True)
class HostRow:
    """A host that sent packets."""

    source: str
    names: Sequence[str]
    interfaces: Sequence[str]
    packets: int
    octets: int
    queries: int
    records: int
    breaches: int


@dataclass(frozen=True, slots=True)
class TypeRow:
    """A service type that was spoken of."""

    name: str
    packets: int
    instances: int
    hosts: int


@dataclass(frozen=True, slots=True)
class Proof:
    """A packet that breaks a rule."""

    detail: str
    head: str
    lines: Sequence[str]
    payload: bytes


@dataclass(frozen=True, slots=True)
class BreachRow:
    """A rule, and a host that broke it."""

    source: str
    rule: str
    section: str
    count: int
    proofs: Sequence[Proof]


@dataclass(frozen=True, slots=True)
class Report:
    """What the page tells."""

    what: str
    packets: int
    octets: int
    responses: int
    malformed: int
    timeline: Timeline
    hosts: Sequence[HostRow]
    types: Sequence[TypeRow]
    record_types: Mapping[str, int]
    question_types: Mapping[str, int]
    breaches: Sequence[BreachRow]


_STYLE = f"""
:root{{color-scheme:light dark;--paper:#fff;--card:#f6f8fa;--ink:#1f2328;--dim:#59636e;
--rule:#d1d9e0;--bad:#c8202f;--bar:#b6d4f7}}
@media(prefers-color-scheme:dark){{:root{{--paper:#0d1117;--card:#161b22;--ink:#e6edf3;
--dim:#9198a1;--rule:#30363d;--bad:#ff7b72;
--bar:#1f4a80}}}}
body{{background:var(--paper);color:var(--ink);font:15px/1.5 {FONT};margin:0 auto;max-width:1040px;
padding:24px}}
h1{{font-size:24px;margin:0}}h2{{font-size:18px;margin:36px 0 8px}}p{{margin:4px 0 12px;
color:var(--dim)}}
.facts{{display:flex;flex-wrap:wrap;gap:12px;margin:20px 0;padding:0;list-style:none}}
.facts li{{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:8px 16px}}
.facts b{{display:block;font-size:20px}}.facts span{{color:var(--dim);font-size:13px}}
.wide{{overflow-x:auto}}table{{border-collapse:collapse;width:100%}}
th,td{{text-align:start;padding:5px 12px 5px 0;border-bottom:1px solid var(--rule);
vertical-align:top}}
th{{font-size:13px;color:var(--dim);font-weight:600}}td.n,th.n{{text-align:end;
font-variant-numeric:tabular-nums;white-space:nowrap}}
td.t{{overflow-wrap:anywhere;min-width:9em}}
td.share{{min-width:90px}}td.share i{{display:block;height:10px;margin-top:6px;border-radius:2px;
background:var(--bar)}}
.bad{{color:var(--bad)}}.svg svg{{max-width:100%;height:auto}}
details{{margin:6px 0 14px;border-inline-start:3px solid var(--rule);padding-inline-start:12px}}
summary{{cursor:pointer;overflow-wrap:anywhere}}
pre{{font:12px/1.45 {MONO};background:var(--card);border:1px solid var(--rule);border-radius:6px;
padding:8px 12px;
overflow-x:auto;margin:6px 0}}
@media print{{body{{max-width:none;padding:0}}h2{{break-after:avoid}}tr,.facts{{break-inside:avoid}}
pre{{white-space:pre-wrap;overflow-wrap:anywhere}}}}
"""


def draw_report(report: Report) -> str:
    """Return the page. Nothing in it is markup, a script or a link that the network has said."""
    title = f"Multicast DNS in {report.what}"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        # There is no script, and none could run.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{_bdi(title)}</h1>",
        f"<p>{_span(report.timeline)}. Written by <code>mcast dump --report</code> {_text(version())}. "
        "It has the names and addresses of hosts: look before you hand it on.</p>",
        _facts(report),
        f'<h2>When</h2><div class="svg wide">{report.timeline.draw()}</div>',
        _breaches(report),
        _hosts(report),
        _types(report),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _text(text: object) -> str:
    return escape(shown(str(text)))


def _bdi(text: str) -> str:
    """Return text in a direction of its own, so that a name from right to left moves nothing beside it."""
    return f"<bdi>{_text(text)}</bdi>"


def _span(timeline: Timeline) -> str:
    if timeline.first is None or timeline.last is None:
        return "No packet was seen"
    seconds = timeline.last - timeline.first
    return f"{_text(time_of_day(timeline.first))} to {_text(time_of_day(timeline.last))}, {seconds:,.1f} s"


def _facts(report: Report) -> str:
    timeline = report.timeline
    seconds = (timeline.last or 0.0) - (timeline.first or 0.0)
    breaches = sum(each.count for each in report.breaches)
    facts = [
        (f"{report.packets:,}", "packets"),
        (f"{report.packets / seconds:,.1f}" if seconds > 0 else "-", "packets a second"),
        (_octets(report.octets), "of DNS messages"),
        (f"{len(report.hosts):,}", "hosts"),
        (f"{report.packets - report.responses - report.malformed:,}", "queries"),
        (f"{report.responses:,}", "responses"),
        (f"{report.malformed:,}", "malformed"),
        (f"{breaches:,}", "breaches of RFC 6762"),
    ]
    items = [f"<li><b>{value}</b><span>{name}</span></li>" for value, name in facts]
    return f'<ul class="facts">{"".join(items)}</ul>'


def _octets(octets: int) -> str:
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if octets >= factor:
            return f"{octets / factor:.1f} {unit}"
    return f"{octets} octets"


def _breaches(report: Report) -> str:
    if not report.breaches:
        return "<h2>Breaches of RFC 6762</h2><p>None was found.</p>"
    ordered = sorted(report.breaches, key=lambda each: (-each.count, each.source, each.rule))
    names = {host.source: host.names for host in report.hosts}
    parts = [
        "<h2>Breaches of RFC 6762</h2>",
        "<p>By host and rule, with the first packets that show each.</p>",
    ]
    for row in ordered[:SHOWN_ROWS]:
        called = f" ({', '.join(map(_bdi, names.get(row.source, ())))})" if names.get(row.source) else ""
        times = f"{row.count:,} time{'s' * (row.count != 1)}"
        parts.append(
            f'<details><summary><b class="bad">{_text(row.rule)}</b> by {_bdi(row.source)}{called}: {times} '
            f"<span>({_text(row.section)})</span></summary>"
        )
        parts += [_proof(each) for each in row.proofs]
        parts.append("</details>" if row.proofs else "<p>No packet of it was kept.</p></details>")
    return "".join([*parts, _left_out(len(ordered), "more")])


def _proof(proof: Proof) -> str:
    lines = [_bdi(line) for line in proof.lines[:SHOWN_LINES]]
    if len(proof.lines) > SHOWN_LINES:
        lines.append(f"… and {len(proof.lines) - SHOWN_LINES} more lines")
    shown_lines = "\n".join(lines)
    return (
        f"<p>{_text(proof.head.split(' ')[0])}: {_bdi(proof.detail)}</p><pre>{shown_lines}</pre>"
        f"<details><summary>{len(proof.payload):,} octets</summary><pre>{_hex(proof.payload)}</pre></details>"
    )


def _hex(payload: bytes) -> str:
    """Return octets as tools read them back (``xxd -r``)."""
    lines = []
    for at in range(0, len(payload), 16):
        octets = payload[at : at + 16]
        plain = "".join([chr(each) if 0x20 <= each < 0x7F else "." for each in octets])
        lines.append(f"{at:08x}: {octets.hex(' ', 2):<39}  {escape(plain)}")
    return "\n".join(lines)


def _hosts(report: Report) -> str:
    ordered = sorted(report.hosts, key=lambda each: (-each.packets, each.source))
    most = max([each.packets for each in ordered] or [1])
    rows = [
        [
            _cell(host.source),
            _cell(" ".join(host.names)),
            _cell(" ".join(host.interfaces)),
            _share(host.packets, most),
            *map(_number, (host.packets, host.octets, host.queries, host.records)),
            _number(host.breaches, bad=host.breaches > 0),
        ]
        for host in ordered[:SHOWN_ROWS]
    ]
    heads = ["host", "name", "interface", "", "packets", "octets", "queries", "records", "breaches"]
    return f"<h2>Who sends</h2>{_table(heads, rows, 4)}{_left_out(len(ordered), 'more hosts')}"


def _types(report: Report) -> str:
    ordered = sorted(report.types, key=lambda each: (-each.packets, each.name))
    most = max([each.packets for each in ordered] or [1])
    rows = [
        [
            _cell(each.name),
            _share(each.packets, most),
            *map(_number, (each.packets, each.instances, each.hosts)),
        ]
        for each in ordered[:SHOWN_ROWS]
    ]
    services = _table(["service type", "", "packets", "instances", "hosts"], rows, 2)
    if not rows:
        services = "<p>None was spoken of.</p>"
    kinds = sorted(
        report.record_types.keys() | report.question_types.keys(),
        key=lambda kind: (-report.record_types.get(kind, 0) - report.question_types.get(kind, 0), kind),
    )
    records = [
        [_cell(kind), *map(_number, (report.record_types.get(kind, 0), report.question_types.get(kind, 0)))]
        for kind in kinds[:SHOWN_ROWS]
    ]
    return (
        f"<h2>Of which services</h2>{services}{_left_out(len(ordered), 'more types')}"
        f"<h2>Which records</h2>{_table(['record type', 'records', 'questions'], records, 1)}"
    )


def _cell(text: str) -> str:
    return f'<td class="t">{_bdi(text)}</td>'


def _number(value: int, *, bad: bool = False) -> str:
    return f'<td class="n{" bad" * bad}">{value:,}</td>'


def _share(value: int, most: int) -> str:
    return f'<td class="share"><i style="width:{100 * value / max(most, 1):.1f}%"></i></td>'


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], words: int) -> str:
    """Return a table whose columns are words, and numbers after these."""
    head = "".join(
        [
            f'<th scope="col"{"" if place < words else " class=n"}>{each}</th>'
            for place, each in enumerate(heads)
        ]
    )
    body = "".join([f"<tr>{''.join(row)}</tr>" for row in rows])
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _left_out(count: int, what: str) -> str:
    return f"<p>and {count - SHOWN_ROWS:,} {what}</p>" if count > SHOWN_ROWS else ""
