"""The options that `twist mcast bridge` and `twist mcast export` have in common."""

from __future__ import annotations

from twisted.python.usage import UsageError

from mcast.dnssd.sought import sought_types
from mcast.errors import InvalidService
from mcast.proxy.choosing import MAX_EXPORTED, MAX_OF_HOST, Choice, Pattern, Quota
from mcast.tap.options import Options

MAX_MAX = 100_000
"""The largest ``--max``. Our choice: more than any link has."""


class CarriedOptions(Options):
    """What is carried, and how many."""

    def __init__(self) -> None:
        super().__init__()
        self["types"] = []
        self["allow"] = []
        self["deny"] = []
        self["max"] = MAX_EXPORTED

    def opt_type(self, text: str) -> None:
        """Type of services to carry, as _ipp._tcp, or _ipp._tcp,_color for a subtype; may be repeated."""
        try:
            for service_type, _ in sought_types(text):
                service_type.check()
            self["types"].append(text)
        except InvalidService as error:
            raise UsageError(f"--type: {error}") from None

    def opt_allow(self, text: str) -> None:
        """Carry only what this means: type=…, instance=… or host=…, where * stands for anything; may be
        repeated."""
        self["allow"].append(_pattern("allow", text))

    def opt_deny(self, text: str) -> None:
        """Carry nothing that this means, in the form of --allow; may be repeated."""
        self["deny"].append(_pattern("deny", text))

    def opt_max(self, text: str) -> None:
        """Services that are carried at a time (default: 250; of one host a tenth)."""
        if not (text.isascii() and text.isdecimal() and 0 < int(text[:9]) <= MAX_MAX):
            raise UsageError(f"--max {text}: not a number from 1 to {MAX_MAX}")
        self["max"] = int(text)

    def parseArgs(self, *words: str) -> None:
        """Refuse words that are no options."""
        if words:
            raise UsageError(f"{words[0]}: unexpected argument")

    def choice(self) -> Choice:
        """Return what is carried."""
        return Choice(tuple(self["allow"]), tuple(self["deny"]))

    def quota(self) -> Quota:
        """Return how many are carried."""
        of_host = max(1, self["max"] * MAX_OF_HOST // MAX_EXPORTED)
        return Quota(self["max"], of_host)

    def require(self, *names: str) -> None:
        """Refuse a command line without these options."""
        for name in names:
            if not self[name]:
                option = "type" if name == "types" else name
                raise UsageError(f"--{option} is missing")


def _pattern(option: str, text: str) -> Pattern:
    try:
        return Pattern.parse(text)
    except ValueError as error:
        raise UsageError(f"--{option} {text}: {error}") from None
