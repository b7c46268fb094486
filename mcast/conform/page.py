"""A result as one page of HTML: the score, each finding with its packets, decoded; no script, nothing loaded.

Every text may come from the network: it is shown by `shown` and escaped here, in one place.
"""

from __future__ import annotations

import re
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
.wide{overflow-x:auto}
code{font:13px/1.4 ui-monospace,monospace;overflow-wrap:anywhere}
li{margin-bottom:.4em}
dt{color:#777}
dd{margin:0}
pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.4 ui-monospace,monospace}
tr.marked{background:#fc03}
summary{cursor:pointer}
@media(max-width:40em){dl{display:block}dd{margin:0 0 .5em 1em}td,th{padding:.2em .4em}h1{font-size:1.4em}}
"""

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Nothing is loaded and no script runs, whatever stands in the text."""


def text(value: str) -> str:
    """Return text for the page, whatever it holds."""
    return escape(shown(value))


LEGEND = (
    "A fail breaks a MUST, or a rule that the RFC states without such a word and that others rely on. A "
    "warning breaks a SHOULD. What is not run could not be judged here, and the reason stands below. What is "
    "broken was seen to be broken twice. In the lists of packets we are whatever has the sender “us”, the "
    "judge and other hosts that it plays; times are seconds since the first packet of the scenario, and (+) "
    "since the packet before. Packets of the other IP version are in the lists as well, and are not judged."
)


def page_of(result: Result) -> str:
    """Return the page."""
    broken = result.of(Verdict.FAIL) + result.of(Verdict.WARNING)
    title = text(f"mcast conform {result.role}: {result.subject}")
    counts = ", ".join(
        f"<b class='{_word(each)}'>{len(result.of(each))} {each.value}</b>" for each in Verdict
    )
    index = "".join(map(_index_line, broken))
    notes = "".join(f"<p>{text(note)}</p>" for note in result.notes)
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width'>",
        f"<meta http-equiv='Content-Security-Policy' content=\"{POLICY}\">",
        f"<title>{title}</title><style>{STYLE}</style></head><body>",
        f"<h1>{title}</h1><p>{counts}</p>{notes}",
        _table(result),
        f"<p>{LEGEND}</p>",
        f"<h2>What to mend</h2><ul>{index}</ul>" if index else "<p>Nothing is broken.</p>",
        *(_section(each, result.again) for each in broken),
        _list("Not run", result.of(Verdict.NOT_RUN), "why not"),
        _list("Passed", result.of(Verdict.PASS), "seen"),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _word(verdict: Verdict) -> str:
    return verdict.value.replace(" ", "-")


def _index_line(finding: Finding) -> str:
    """Return what is wrong, in two lines: what was expected and what was seen."""
    check = finding.check
    link = f"<a href='#{text(check.id)}'>{text(check.id)}</a>"
    said = f"expected: {text(check.expects)}<br>seen: {text(finding.seen)}"
    return f"<li><b class='{_word(finding.verdict)}'>{finding.verdict.value}</b> {link}<br>{said}</li>"


def _rfc(section: str) -> str:
    """Return a section as a link to its text: ``RFC 6762 §8.1``."""
    found = re.fullmatch(r"RFC (\d+) (?:§|Appendix )([0-9A-Z.]+)", section)
    if found is None:
        return text(section)
    part = ("appendix" if found[2][:1].isalpha() else "section") + f"-{found[2]}"
    return f"<a href='https://www.rfc-editor.org/rfc/rfc{found[1]}.html#{part}'>{text(section)}</a>"


def _table(result: Result) -> str:
    head, *body = rows(result)
    first = "".join(f"<th{' class=n' if place else ''}>{text(cell)}</th>" for place, cell in enumerate(head))
    lines = [
        "".join(f"<td{' class=n' if place else ''}>{text(cell)}</td>" for place, cell in enumerate(row))
        for row in body
    ]
    return f"<table><tr>{first}</tr>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def _section(finding: Finding, again: str) -> str:
    check = finding.check
    rows_of = f"({check.level.value}; {', '.join(check.rows)} of our table of requirements)"
    pairs = [
        ("the RFC", f"{_rfc(check.section)} {text(rows_of)}"),
        ("asks for", text(check.says)),
        ("we sent or did", text(finding.sends)),
        ("expected", text(check.expects)),
        ("tolerance", text(check.tolerance)),
        ("seen", f"<b>{text(finding.seen)}</b>"),
        ("scenario", f"{text(finding.scenario)}, tried {finding.runs} times"),
        ("to see it again", f"<code>{text(f'sudo {again} --only {check.id}')}</code>"),
    ]
    described_by = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in pairs if value)
    return (
        f"<section id='{text(check.id)}'><h3 class='{_word(finding.verdict)}'>{text(check.id)}: "
        f"{finding.verdict.value}</h3><dl>{described_by}</dl>{_packets(finding)}</section>"
    )


def _packets(finding: Finding) -> str:
    """Return the packets that show a finding, and all others behind a word to press."""
    if not finding.packets:
        return "<p>No packet was seen in the scenario, neither of the subject nor of ours.</p>"
    start = min(packet.at for packet in finding.packets)
    shown_ones = [each for place, each in enumerate(finding.packets) if place in finding.marked]
    found = _packet_table(finding, start, shown_ones)
    everything = _packet_table(finding, start, list(finding.packets))
    count = len(finding.packets)
    # Where none stands out, as when one is missing, all are shown.
    state = "" if found else " open"
    head = f"all {count} packets of the scenario"
    return f"{found}<details{state}><summary>{head}</summary>{everything}</details>"


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
    return f"<div class=wide><table>{head}{''.join(lines)}</table></div>"


def _lines(said: str) -> str:
    return "\n".join(text(line) for line in said.split("\n"))


def _list(title: str, findings: list[Finding], last: str) -> str:
    """Return a table with a line for each finding, whose last column has what was seen; empty for none."""
    if not findings:
        return ""
    head = "".join(f"<th>{each}</th>" for each in ("check", "section", "asks for", last))
    lines = "".join(
        f"<tr><td>{text(each.check.id)}</td><td>{_rfc(each.check.section)}</td>"
        f"<td>{text(each.check.says)}</td><td>{text(each.seen)}</td></tr>"
        for each in findings
    )
    return f"<h2>{title}</h2><div class=wide><table><tr>{head}</tr>{lines}</table></div>"
