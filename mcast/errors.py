"""The exceptions of mcast, divided by who must act."""

from __future__ import annotations

from mcast.showing import shown

REASON_LIMIT = 300
"""Characters of a reason. Our choice: what a person reads; a file may hold a word of a megabyte."""


def brief(reason: str) -> str:
    """Return a reason that is short enough to be read, as one line.

    It quotes what a person wrote, or what they copied from somebody else.
    """
    return shown(reason if len(reason) <= REASON_LIMIT else f"{reason[:REASON_LIMIT]}…")


class McastError(Exception):
    """The base of every exception that mcast defines."""


class MalformedMessage(McastError):
    """A datagram is not a well-formed DNS message; the network is to blame, and the datagram is dropped.

    :param reason: what is wrong, without the place.
    :param offset: where in the datagram reading stopped, in octets.
    """

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"{reason} at octet {offset}")
        self.reason = reason
        self.offset = offset


class InvalidService(McastError, ValueError):
    """A service, or a part of one, cannot be published as described; the caller is to blame.

    :param part: which part of the description is wrong, for example ``"port"`` or ``"TXT key 'a=b'"``.
    :param reason: what is wrong with it, and what would be right.
    """

    def __init__(self, part: str, reason: str) -> None:
        # Both quote what a person wrote, or copied from somebody else: it stays one line.
        super().__init__(shown(f"{part}: {reason}"))
        self.part = part
        self.reason = reason


class ServicesFileError(McastError):
    """A file of services has a fault; who wrote the file is to blame.

    :param source: the file, as the user named it.
    :param line: where the fault is, counted from 1.
    :param reason: what is wrong there.
    """

    def __init__(self, source: str, line: int, reason: str) -> None:
        reason = brief(reason)
        super().__init__(f"{source}:{line}: {reason}")
        self.source = source
        self.line = line
        self.reason = reason


class NameTaken(McastError):
    """Another host on the link has this name, and nobody but the caller can choose another.

    :param name: the whole name that was lost.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is taken by another host")
        self.name = name


class NotFound(McastError):
    """Nothing on the network answered in time, or the owner of the name said that there is no such thing.

    :param what: what was looked for.
    :param reason: what was seen instead.
    """

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what}: {reason}")
        self.what = what
        self.reason = reason
