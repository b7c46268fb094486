"""What a command sends: text, hexadecimal digits, a file, or standard input."""

from __future__ import annotations

import os

from mcast.cli.command import CommandError
from mcast.cli.pipes import opened, standard_input
from mcast.echo.probe import MAX_PROBE_SIZE


def read_payload(
    *, text: str | None = None, hexadecimal: str | None = None, file: str | None = None, cut: bool = False
) -> bytes:
    """Return the octets of the one that is given, or else of standard input.

    :param cut: the caller cuts what is too long for a datagram.
    :raises CommandError: several are given, the digits are none, or it is too long.
    :raises OSError: the file cannot be read.
    :raises CancelledError: a signal came while a pipe was waited for.
    """
    given = [each for each in (text, hexadecimal, file) if each is not None]
    if len(given) > 1:
        raise CommandError("give TEXT or --file, not both" if hexadecimal is None else "give one payload")
    if text is not None:
        payload = os.fsencode(text)
    elif hexadecimal is not None:
        payload = _octets(hexadecimal)
    elif file is not None:
        with opened(file) as stream:
            payload = stream.read(MAX_PROBE_SIZE + 1)
    else:
        with standard_input() as stream:
            payload = stream.read(MAX_PROBE_SIZE + 1)
    if len(payload) > MAX_PROBE_SIZE and not cut:
        raise CommandError(f"{file or 'the payload'}: more than the {MAX_PROBE_SIZE} octets of a datagram")
    return payload


def _octets(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits.replace(":", " "))
    except ValueError:
        raise CommandError(f"--hex {digits}: not pairs of hexadecimal digits") from None
