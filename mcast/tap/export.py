"""`twist mcast export`: options and service that register the services of a link on a DNS server."""

from __future__ import annotations

from typing import Any

from twisted.python.usage import UsageError

from mcast.proxy.export import Exporter, ExportSettings
from mcast.tap.carried import CarriedOptions
from mcast.tap.everywhere import parse_target, with_key


class Options(CarriedOptions):
    """The command line after `twist mcast export`."""

    longdesc = "Registers the services that are found on a link on a DNS server, while they are there."

    def __init__(self) -> None:
        super().__init__()
        self["interfaces"] = []
        self["updates"] = []
        self["update_owner"] = ""

    def opt_interface(self, text: str) -> None:
        """Interface to browse on, by name, index or address; may be repeated."""
        self["interfaces"].append(text)

    opt_I = opt_interface

    def opt_update(self, text: str) -> None:
        """Where to register, as DOMAIN@SERVER[:PORT]; may be repeated."""
        self["updates"].append(parse_target(text))

    def opt_update_key(self, path: str) -> None:
        """File with the key for the --update before it, as BIND keeps it."""
        if not self["updates"]:
            raise UsageError(f"--update-key {path}: it follows the --update that it is for")
        self["updates"][-1] = with_key(self["updates"][-1], path)

    def opt_update_owner(self, text: str) -> None:
        """Tells programs of this host apart that register in the same domain (default: export and the
        interfaces)."""
        self["update_owner"] = text

    def postOptions(self) -> None:
        """Refuse what leaves nothing to do."""
        for name, option in (("interfaces", "interface"), ("types", "type"), ("updates", "update")):
            if not self[name]:
                raise UsageError(f"--{option} is missing")

    def settings(self) -> ExportSettings:
        """Return what the options describe."""
        owner = self["update_owner"] or " ".join(["export", *sorted(self["interfaces"])])
        domains = [(target.domain, target.server(owner)) for target in self["updates"]]
        types = tuple(self["types"])
        return ExportSettings(tuple(self["interfaces"]), types, domains, self.choice(), self.quota())


def makeService(options: Options) -> Any:
    """Return the service that the options describe."""
    # The reactor is chosen by `twist --reactor`, and installed when this is called.
    from twisted.internet import reactor

    return Exporter(reactor, options.settings())
