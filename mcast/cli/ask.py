"""Put a question to a group, and print what any number of hosts answer.

Exit status: 0 when as many answers came as expected (one, or --expect), 1 when some but fewer did,
2 when none did or something is wrong.
"""

from __future__ import annotations

import argparse
from collections.abc import Hashable
from contextlib import suppress
from typing import Any

from twisted.internet.defer import CancelledError

from mcast.cli.command import (
    FAILED,
    GOOD,
    NOT_ALL,
    CommandError,
    Output,
    add_interface_argument,
    counted,
    decimal,
    whole,
)
from mcast.cli.groups import add_sending_arguments, parse_group
from mcast.cli.payload import read_payload
from mcast.echo.asking import Replies, ask
from mcast.echo.gathering import Reply, same_datagram
from mcast.showing import shown
from mcast.sockets.settings import PortSettings


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "groups", metavar="GROUP[:PORT]", nargs="+", type=parse_group, help="such as 239.255.255.250:1900"
    )
    question = parser.add_mutually_exclusive_group()
    question.add_argument("--text", metavar="TEXT", help="the question (default: standard input)")
    question.add_argument("--hex", metavar="DIGITS", help="the question in hexadecimal")
    question.add_argument("-f", "--file", metavar="FILE", help="the question is what is in this file")
    parser.add_argument(
        "-w", "--wait", type=decimal(0.001, 3600), default=3.0, help="seconds to wait (default: 3)"
    )
    parser.add_argument(
        "--repeat",
        dest="repeats",
        metavar="SECONDS",
        action="append",
        type=decimal(0, 3600),
        help="send at this time; may be repeated (default: 0 and 1)",
    )
    add_interface_argument(parser)
    add_sending_arguments(parser)
    parser.add_argument("--expect", type=whole(1), metavar="N", help="end with this many answers")
    parser.add_argument("--once", action="store_true", help="one answer of each host is enough")
    parser.add_argument("-x", "--show-hex", action="store_true", help="print answers in hexadecimal")


async def run(reactor: Any, arguments: argparse.Namespace, output: Output) -> int:
    """Ask, and print until it is over or the user interrupts."""
    payload = read_payload(text=arguments.text, hexadecimal=arguments.hex, file=arguments.file)
    # The times that nobody chose give way to a short wait.
    repeats = arguments.repeats or [moment for moment in (0.0, 1.0) if moment < arguments.wait]
    try:
        replies = ask(
            reactor,
            arguments.groups,
            payload,
            interfaces=arguments.interfaces,
            wait=arguments.wait,
            repeats=repeats,
            expect=arguments.expect,
            key=same_host if arguments.once else same_datagram,
            settings=PortSettings(hop_limit=arguments.ttl, loopback=not arguments.no_loopback),
        )
    except ValueError as error:
        raise CommandError(str(error)) from None
    count = 0
    with suppress(CancelledError):  # Ctrl-C: what was heard until now is summed up
        async for reply in replies:
            count += 1
            show(reply, output, in_hexadecimal=arguments.show_hex)
    await replies.aclose()
    sum_up(replies, output)
    if not count:
        return FAILED
    return GOOD if count >= (arguments.expect or 1) else NOT_ALL


def same_host(reply: Reply) -> Hashable:
    """Tell by the source alone: what a host says first is its reply."""
    return reply.source


def show(reply: Reply, output: Output, *, in_hexadecimal: bool) -> None:
    """Print one answer."""
    milliseconds = round(reply.seconds * 1000, 3)
    payload = (
        {"hex": reply.data.hex()}
        if in_hexadecimal
        else {"payload": reply.data.decode("utf-8", "backslashreplace")}
    )
    output.event(
        event="answer",
        source=reply.source,
        port=reply.port,
        interface=reply.interface or None,
        ms=milliseconds,
        size=len(reply.data),
        **payload,
    )
    payload_text = reply.data.hex(" ") if in_hexadecimal else shown(reply.data)
    output.text(
        f"{reply.source} port {reply.port}: if={reply.interface or '?'} ms={milliseconds:.3f} "
        f"size={len(reply.data)}: {payload_text}"
    )


def sum_up(replies: Replies, output: Output) -> None:
    """Print what was counted."""
    counts = replies.statistics()
    output.event(event="summary", **counts)
    dropped, sent, heard = counts.pop("dropped"), counts.pop("sent"), counts.pop("replies")
    assert isinstance(dropped, dict)
    assert isinstance(sent, int)
    assert isinstance(heard, int)
    words = [f"{counted(sent, 'question')} sent", counted(heard, "answer")]
    words += [f"{number} {name}" for name, number in (counts | dropped).items() if number]
    output.text(f"--- {', '.join(words)}")
