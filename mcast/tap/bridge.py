"""`twist mcast bridge`: options and service of the bridge between two links."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from twisted.python.usage import UsageError

from mcast.node.network import SocketNetwork
from mcast.proxy.bridge import Bridge, BridgeSettings
from mcast.sockets.interface import Interface, find_interface
from mcast.tap.carried import CarriedOptions


class Options(CarriedOptions):
    """The command line after `twist mcast bridge`."""

    longdesc = "Browses services on one link and publishes them on another; no packet passes between the two."

    optFlags: ClassVar[list[list[str | None]]] = [["both-ways", None, "Carry in both directions."]]

    def __init__(self) -> None:
        super().__init__()
        self["from"] = self["to"] = None

    def opt_from(self, text: str) -> None:
        """Interface to browse on, by name, index or address."""
        self["from"] = text

    def opt_to(self, text: str) -> None:
        """Interface to publish on."""
        self["to"] = text

    def postOptions(self) -> None:
        """Refuse what cannot be bridged."""
        self.require("from", "to", "types")
        if self["from"] == self["to"]:
            raise UsageError(f"--from {self['from']} and --to {self['to']}: a bridge has two ends")

    def settings(self) -> BridgeSettings:
        """Return what the options describe."""
        return BridgeSettings(
            self["from"],
            self["to"],
            tuple(self["types"]),
            bool(self["both-ways"]),
            self.choice(),
            self.quota(),
        )

    def check_ends(self, interfaces: Sequence[Interface]) -> None:
        """Refuse two names of one interface.

        :param interfaces: those of this host; others may come later.
        :raises UsageError: the ends are one.
        """
        ends = [find_interface(self[name], interfaces) for name in ("from", "to")]
        if ends[0] is not None and ends[0] is ends[1]:
            raise UsageError(
                f"--from {self['from']} and --to {self['to']} are both {ends[0].name}: a bridge has two ends"
            )


def makeService(options: Options) -> Any:
    """Return the service that the options describe.

    :raises SystemExit: both ends are one interface.
    """
    # The reactor is chosen by `twist --reactor`, and installed when this is called.
    from twisted.internet import reactor

    try:
        options.check_ends(SocketNetwork(reactor).interfaces())
    except UsageError as error:
        raise SystemExit(f"mcast: {error}") from None
    return Bridge(reactor, options.settings())
