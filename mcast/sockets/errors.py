"""The errors of ports: each is also one that Twisted's own ports raise, so that code for those may stay."""

from __future__ import annotations

from twisted.internet.error import CannotListenError, InvalidAddressError, MulticastJoinError


class AddressError(InvalidAddressError):
    """A text is no IP address, or one of the other family; the caller is to blame.

    :param address: the text.
    :param message: the whole message, in one line.
    """

    def __str__(self) -> str:
        return str(self.message)


class ListenError(OSError, CannotListenError):
    """A port cannot be opened; `errno` and `strerror` say why, and `socketError` is what the system raised.

    :param interface: the address that the port was to be bound to.
    :param port: the UDP port.
    :param problem: what the system raised.
    :param message: the whole message, in one line.
    """

    def __init__(self, interface: str, port: int, problem: OSError, message: str) -> None:
        OSError.__init__(self, problem.errno, message)
        self.interface = interface
        self.port = port
        self.socketError = problem

    def __str__(self) -> str:
        return str(self.strerror)


class MembershipError(OSError, MulticastJoinError):
    """The system refused to join or leave a group; `errno` and `strerror` say why."""

    def __str__(self) -> str:
        return str(self.strerror)
