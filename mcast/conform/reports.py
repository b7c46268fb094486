"""A result as files: JSON, JUnit, a page, captures; and what changed since an earlier one."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from mcast.conform.packets import Packet, described
from mcast.conform.page import page_of
from mcast.conform.verdicts import Finding, Result, Verdict
from mcast.showing import shown, shown_as_json

FORMAT = 1
"""Of the JSON; counted up when a field changes its meaning."""

PCAP_MAGIC = 0xA1B23C4D
"""Of a capture with nanoseconds (draft-ietf-opsawg-pcap)."""

LINKTYPE_ETHERNET = 1
MAX_FRAME = 0x40000


def as_fields(result: Result) -> Iterator[dict[str, Any]]:
    """Yield a result as JSON objects: each finding, then the sum."""
    for finding in result.findings:
        yield {"event": "finding", **finding_fields(finding)}
    yield {
        "event": "summary",
        "format": FORMAT,
        "role": result.role,
        "subject": result.subject,
        "seconds": round(result.seconds, 1),
        **{each.value.replace(" ", "_"): len(result.of(each)) for each in Verdict},
        "passed": result.passed,
        "notes": result.notes,
    }


def finding_fields(finding: Finding) -> dict[str, Any]:
    """Return a finding for programs."""
    check = finding.check
    fields: dict[str, Any] = {
        "check": check.id,
        "group": check.group,
        "scenario": finding.scenario,
        "verdict": finding.verdict.value,
        "level": check.level.value,
        "section": check.section,
        "rows": list(check.rows),
        "expects": check.expects,
        "seen": finding.seen,
        "tries": finding.runs,
    }
    if finding.packets:
        start = finding.packets[0].at
        fields["packets"] = [
            {
                "seconds": round(packet.at - start, 6),
                "sender": packet.sender.value,
                "from": f"{packet.datagram.source} {packet.datagram.source_port}",
                "to": f"{packet.datagram.destination} {packet.datagram.destination_port}",
                "octets": packet.datagram.data.hex(),
            }
            for place, packet in enumerate(finding.packets)
            if place in finding.marked
        ]
    return fields


def write_json(result: Result, path: Path) -> None:
    """Write a result as one JSON object a line; `compare` reads it."""
    lines = [shown_as_json(fields) for fields in as_fields(result)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_html(result: Result, path: Path) -> None:
    """Write a result as one page."""
    path.write_text(page_of(result), encoding="utf-8")


def write_junit(result: Result, path: Path) -> None:
    """Write a result as JUnit has it: a suite for each group; a warning passes, with what was seen."""
    suites = []
    for group, findings in result.groups().items():
        cases = "".join(map(_case, findings))
        failures = sum(finding.verdict is Verdict.FAIL for finding in findings)
        skipped = sum(finding.verdict is Verdict.NOT_RUN for finding in findings)
        head = f"name={quoteattr(group)} tests='{len(findings)}' failures='{failures}' skipped='{skipped}'"
        suites.append(f"<testsuite {head}>{cases}</testsuite>\n")
    name = quoteattr(_plain(f"mcast conform {result.role} {result.subject}"))
    text = (
        f"<?xml version='1.0' encoding='utf-8'?>\n<testsuites name={name}>\n{''.join(suites)}</testsuites>\n"
    )
    path.write_text(text, encoding="utf-8")


def _case(finding: Finding) -> str:
    check = finding.check
    head = f"classname={quoteattr(check.group)} name={quoteattr(check.id)}"
    said = quoteattr(_plain(f"{check.section}: expected {check.expects} Seen: {finding.seen}"))
    if finding.verdict is Verdict.FAIL:
        body = f"<failure message={said}>{escape(_plain(_packets(finding)))}</failure>"
    elif finding.verdict is Verdict.NOT_RUN:
        body = f"<skipped message={quoteattr(_plain(finding.seen))}/>"
    elif finding.verdict is Verdict.WARNING:
        body = f"<system-out>{escape(_plain(f'warning: {finding.seen}'))}</system-out>"
    else:
        body = ""
    return f"<testcase {head}>{body}</testcase>\n"


def _plain(text: str) -> str:
    """Return text without characters that XML forbids or that act."""
    return "\n".join(shown(line) for line in text.split("\n"))


def _packets(finding: Finding) -> str:
    """Return the packets of a finding as text."""
    lines = []
    for place, packet in enumerate(finding.packets):
        if place in finding.marked:
            lines.append(f"{packet.at - finding.packets[0].at:.3f} s, from {packet.sender.value}:")
            lines += [f"    {line}" for line in described(packet)]
    return "\n".join(lines)


def write_pcap(result: Result, folder: Path) -> None:
    """Write a capture for each finding that is broken, named for its check."""
    folder.mkdir(parents=True, exist_ok=True)
    for finding in result.of(Verdict.FAIL, Verdict.WARNING):
        name = re.sub(r"[^a-z0-9.-]", "_", finding.check.id)
        (folder / f"{name}.pcap").write_bytes(pcap_of(finding.packets))


def pcap_of(packets: tuple[Packet, ...]) -> bytes:
    """Return a capture file of packets."""
    parts = [struct.pack("<IHHiIII", PCAP_MAGIC, 2, 4, 0, 0, MAX_FRAME, LINKTYPE_ETHERNET)]
    for packet in packets:
        if not packet.frame:  # a message in a stream, which was seen as such
            continue
        seconds, part = divmod(round(packet.wall * 1e9), 1_000_000_000)
        size = len(packet.frame)
        parts += [struct.pack("<IIII", seconds, part, size, size), packet.frame]
    return b"".join(parts)


def read_baseline(path: Path) -> dict[str, str]:
    """Return the verdicts of an earlier result by check.

    :raises OSError: the file cannot be read.
    :raises ValueError: it holds no result.
    """
    before: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = json.loads(line)
        if not isinstance(fields, dict):
            raise ValueError(f"{path}: not what --save or --json writes")
        if fields.get("event") == "finding":
            before[str(fields.get("check"))] = str(fields.get("verdict"))
    if not before:
        raise ValueError(f"{path}: no finding in it")
    return before


def compare(result: Result, before: Mapping[str, str]) -> None:
    """Note what changed since an earlier result, which is all that is told of the findings then."""
    result.changed = [each for each in result.findings if before.get(each.check.id) != each.verdict.value]
    changed = [
        shown(f"changed: {each.check.id}: {before.get(each.check.id, 'new')} → {each.verdict.value}")
        for each in result.changed
    ]
    result.notes[:0] = changed or ["nothing changed since the baseline"]
