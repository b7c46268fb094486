"""A result as one page of HTML: the score, each finding with its packets, decoded; no script, nothing loaded.

Every text may come from the network: it is shown by `shown` and escaped here, in one place.
"""

from __future__ import annotations

from html import escape

from mcast.conform.packets import Packet, Sender, described
from mcast.conform.table import rows
from mcast.conform.verdicts import Finding, Result, Verdict
from mcast.showing import shown

STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:72em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse}
td,th{padding:.2em .8em;text-align:left;vertical-align:top}
td.n,th.n{text-align:right}
tr:nth-child(even){background:#8881}
.fail{color:#c22}.warning{color:#b70}.pass{color:#282}.not-run{color:#777}
section{border-top:1px solid #8886;margin-top:1.5em;padding-top:.5em}
dl{display:grid;grid-template-columns:9em 1fr}
dt{color:#777}
dd{margin:0}
pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.4 ui-monospace,monospace}
tr.marked{background:#fc03}
summary{cursor:pointer}
"""

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Nothing is loaded and no script runs, whatever stands in the text."""


def text(value: str) -> str:
    """Return text for the page, whatever it holds."""
    return escape(shown(value))


def page_of(result: Result) -> str:
    """Return the page."""
    broken = result.of(Verdict.FAIL) + result.of(Verdict.WARNING)
    title = text(f"mcast conform {result.role}: {result.subject}")
    counts = ", ".join(
        f"<b class='{_word(each)}'>{len(result.of(each))} {each.value}</b>" for each in Verdict
    )
    index = "".join(
        f"<li class='{_word(each.verdict)}'><a href='#{text(each.check.id)}'>{text(each.check.id)}</a> "
        f"{text(each.check.says)}</li>"
        for each in broken
    )
    notes = "".join(f"<p>{text(note)}</p>" for note in result.notes)
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        f"<meta http-equiv='Content-Security-Policy' content=\"{POLICY}\">",
        f"<title>{title}</title><style>{STYLE}</style></head><body>",
        f"<h1>{title}</h1><p>{counts}</p>{notes}",
        _table(result),
        f"<h2>What to mend</h2><ul>{index}</ul>" if index else "<p>Nothing is broken.</p>",
        *(map(_section, broken)),
        _not_run(result),
        _passed(result),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _word(verdict: Verdict) -> str:
    return verdict.value.replace(" ", "-")


def _table(result: Result) -> str:
    head, *body = rows(result)
    first = "".join(f"<th{' class=n' if place else ''}>{text(cell)}</th>" for place, cell in enumerate(head))
    lines = [
        "".join(f"<td{' class=n' if place else ''}>{text(cell)}</td>" for place, cell in enumerate(row))
        for row in body
    ]
    return f"<table><tr>{first}</tr>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def _section(finding: Finding) -> str:
    check = finding.check
    pairs = [
        ("section", f"{check.section} ({check.level.value}); rows {', '.join(check.rows)}"),
        ("it says", check.says),
        ("expected", check.expects),
        ("tolerance", check.tolerance),
        ("seen", finding.seen),
        ("scenario", f"{finding.scenario}, {finding.runs} tries"),
    ]
    described_by = "".join(f"<dt>{name}</dt><dd>{text(value)}</dd>" for name, value in pairs if value)
    return (
        f"<section id='{text(check.id)}'><h3 class='{_word(finding.verdict)}'>{text(check.id)}: "
        f"{finding.verdict.value}</h3><dl>{described_by}</dl>{_packets(finding)}</section>"
    )


def _packets(finding: Finding) -> str:
    """Return the packets that show a finding, and all others behind a word to press."""
    if not finding.packets:
        return ""
    start = min(packet.at for packet in finding.packets)
    shown_ones = [each for place, each in enumerate(finding.packets) if place in finding.marked]
    found = _packet_table(finding, start, shown_ones)
    everything = _packet_table(finding, start, list(finding.packets))
    count = len(finding.packets)
    return f"{found}<details><summary>all {count} packets of the scenario</summary>{everything}</details>"


def _packet_table(finding: Finding, start: float, packets: list[Packet]) -> str:
    if not packets:
        return ""
    marked = {id(finding.packets[place]) for place in finding.marked}
    lines = []
    before = start
    for packet in packets:
        datagram = packet.datagram
        said = "\n".join(described(packet))
        who = "subject" if packet.sender is Sender.SUBJECT else packet.sender.value
        mark = " class='marked'" if id(packet) in marked and len(packets) > len(marked) else ""
        lines.append(
            f"<tr{mark}><td class=n>{packet.at - start:.4f}<br>+{packet.at - before:.4f}</td>"
            f"<td>{text(who)}</td><td>{text(f'{datagram.source} {datagram.source_port}')}<br>"
            f"→ {text(f'{datagram.destination} {datagram.destination_port}')}</td>"
            f"<td><pre>{_lines(said)}</pre></td></tr>"
        )
        before = packet.at
    head = "<tr><th class=n>seconds</th><th>sender</th><th>from, to</th><th>packet</th></tr>"
    return f"<table>{head}{''.join(lines)}</table>"


def _lines(said: str) -> str:
    return "\n".join(text(line) for line in said.split("\n"))


def _not_run(result: Result) -> str:
    found = result.of(Verdict.NOT_RUN)
    if not found:
        return ""
    lines = "".join(f"<tr><td>{text(each.check.id)}</td><td>{text(each.seen)}</td></tr>" for each in found)
    return f"<h2>Not run</h2><table>{lines}</table>"


def _passed(result: Result) -> str:
    lines = "".join(
        f"<tr><td>{text(each.check.id)}</td><td>{text(each.check.section)}</td>"
        f"<td>{text(each.check.says)}</td><td>{text(each.seen)}</td></tr>"
        for each in result.of(Verdict.PASS)
    )
    return f"<h2>Passed</h2><table>{lines}</table>"
