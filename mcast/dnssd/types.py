"""Service types and subtypes (RFC 6763 §4.1.2 and §7, RFC 6335 §5.1)."""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from mcast.dns.names import LOCAL, Name
from mcast.errors import InvalidService

SERVICE_NAME_LIMIT = 15
"""Characters in a Service Name, without the underscore (RFC 6335 §5.1, RFC 6763 §7.2)."""

SUBTYPE_LIMIT = 63
"""Octets in a subtype (RFC 6763 §7.2)."""

SUBTYPE_LABEL = b"_sub"
"""Stands between a subtype and its service type (RFC 6763 §7.1)."""

TYPE_ENUMERATION_LABELS = (b"_services", b"_dns-sd", b"_udp")
"""Before the domain: the name that enumerates the service types in it (RFC 6763 §9)."""

_LETTERS_DIGITS = frozenset(string.ascii_letters + string.digits)


@dataclass(frozen=True, slots=True, eq=False)
class ServiceType:
    """What a service does and how it is carried: ``_http._tcp`` is ``ServiceType("http", "tcp")``.

    Two types are equal when they differ in ASCII case only (RFC 6763 §7: "the strings 'HTTP' and 'http' refer
    to the same service"); the case given is kept for display.

    The constructor asks only for two labels: real networks have types that break the rules of RFC 6335, and
    these can be browsed. `check` applies those rules, and `parse` does so unless told otherwise.

    :raises InvalidService: when the two parts do not make a pair of labels.
    """

    service: str
    """The Service Name without its underscore."""

    protocol: str
    """``"tcp"`` for protocols that run over TCP, ``"udp"`` for all others (RFC 6763 §7)."""

    def __post_init__(self) -> None:
        if not self.service.isascii() or not self.service.isprintable() or not 1 <= len(self.service) <= 62:
            raise InvalidService(
                f"service type {str(self)!r}", "a Service Name is 1 to 62 printable ASCII characters"
            )
        if self.protocol.lower() not in ("tcp", "udp"):
            raise InvalidService(
                f"service type {str(self)!r}",
                'it ends in "_tcp", or in "_udp" for every transport but TCP',
            )

    @classmethod
    def parse(cls, text: str, *, strict: bool = True) -> ServiceType:
        """Read ``_http._tcp``; a final dot and ``.local`` may follow, and another domain is given separately.

        :param strict: whether the rules for a registered Service Name apply; a type that others publish
            may break them.
        :raises InvalidService: naming what is wrong.
        """
        if not isinstance(text, str):
            raise TypeError(f"a service type is read from str, not {text!r}")
        found, subtype = read_type(text, strict=strict)
        if subtype is not None:
            raise InvalidService(
                f"service type {text!r}", f'a subtype is not meant here; write "{found}" for the type alone'
            )
        return found

    @classmethod
    def from_labels(cls, service: bytes, protocol: bytes) -> ServiceType:
        """Read the two labels of a received name, leniently.

        :raises InvalidService: when they are no service type.
        """
        if not service.startswith(b"_") or protocol.lower() not in (b"_tcp", b"_udp"):
            raise InvalidService("service type", f"{service!r} and {protocol!r} are not its two labels")
        # latin-1 keeps each octet one character, and the constructor refuses all but ASCII.
        return cls(service[1:].decode("latin-1"), protocol[1:].decode("ascii"))

    @classmethod
    def for_transport(cls, service: str, transport: str) -> ServiceType:
        """Return the type of a service over any transport: "_udp" stands for all but TCP (RFC 6763 §7).

        :param transport: ``"tcp"``, ``"udp"``, ``"sctp"``, ``"dccp"``…, in any case.
        """
        found = cls(service, "tcp" if transport.lower() == "tcp" else "udp")
        found.check()
        return found

    def check(self) -> None:
        """Apply the rules for Service Names (RFC 6335 §5.1, RFC 6763 §7).

        :raises InvalidService: naming the rule that is broken.
        """
        name = self.service
        if len(name) > SERVICE_NAME_LIMIT:
            reason = f"{len(name)} characters; at most {SERVICE_NAME_LIMIT} are allowed"
        elif not set(name) <= _LETTERS_DIGITS | {"-"}:
            wrong = next(character for character in name if character not in _LETTERS_DIGITS | {"-"})
            reason = f"{wrong!r} is none of letters, digits and hyphens"
        elif name.startswith("-") or name.endswith("-"):
            reason = "a hyphen begins or ends it"
        elif "--" in name:
            reason = "it has two hyphens in a row"
        elif set(name) <= set(string.digits + "-"):
            # "80" or "6000-6063" would look like a port or a range of ports.
            reason = "it has no letter"
        else:
            return
        raise InvalidService(f"Service Name {name!r}", reason)

    @property
    def labels(self) -> tuple[bytes, bytes]:
        """The pair of labels, as given."""
        return b"_" + self.service.encode("ascii"), b"_" + self.protocol.encode("ascii")

    def in_domain(self, domain: Name = LOCAL) -> Name:
        """Return the name whose PTR records list the instances of the type (RFC 6763 §4.1)."""
        return _joined("service type", self.labels, domain)

    def subtype_in_domain(self, subtype: str | bytes, domain: Name = LOCAL) -> Name:
        """Return the name whose PTR records list the instances of a subtype (RFC 6763 §7.1)."""
        return _joined("subtype", (subtype_label(subtype), SUBTYPE_LABEL, *self.labels), domain)

    @property
    def key(self) -> tuple[str, str]:
        """What equality and hash go by."""
        return self.service.lower(), self.protocol.lower()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ServiceType):
            return NotImplemented
        return self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return f"_{self.service}._{self.protocol}"


def read_type(text: str, *, strict: bool = True) -> tuple[ServiceType, bytes | None]:
    """Return a type and perhaps a subtype, as people and other tools write them.

    So ``_http._tcp``, with a final dot, with ``.local``, or as the name whose PTR records list a subtype:
    ``_printer._sub._http._tcp.local.`` (RFC 6763 §7.1).

    :raises InvalidService: naming what is wrong, and what to write.
    """
    if not isinstance(text, str):
        raise TypeError(f"a service type is read from str, not {text!r}")
    part = f"service type {text!r}"
    labels = text.removesuffix(".").split(".")
    if len(labels) > 2 and labels[-1].lower() == "local":
        labels.pop()
    subtype = None
    if len(labels) > 3 and labels[-3].lower() == SUBTYPE_LABEL.decode():
        subtype = _read_subtype(part, ".".join(labels[:-3]))
        del labels[:-2]
    if is_type_enumeration(text):
        raise InvalidService(part, 'it is the list of all types; "mcast browse" and browse_types() show it')
    if is_type_enumeration(".".join(labels[:3])):
        raise InvalidService(part, f'write "{".".join(labels[:3])}"; a domain is given separately')
    for place in (place for place in (1, 3) if len(labels) > 2 and labels[place : place + 1]):
        if labels[place].lower() in ("_tcp", "_udp"):
            # What stands after the protocol is a domain, what stands before is one subtype too much.
            whole = ".".join(labels[place - 1 : place + 1])
            raise InvalidService(part, f'write "{whole}"; a domain is given separately')
    if len(labels) != 2:
        raise InvalidService(
            part, f'it has two parts, like "{_suggested(labels)}"; a domain is given separately'
        )
    for label in labels:
        if not label.startswith("_"):
            raise InvalidService(
                part, f'{label!r} does not start with an underscore; write "{_suggested(labels)}"'
            )
    found = ServiceType(labels[0][1:], labels[1][1:])
    if strict:
        found.check()
    return found, subtype


def is_type_enumeration(text: str) -> bool:
    """Tell whether a text is ``_services._dns-sd._udp``, with or without ``.local`` (RFC 6763 §9)."""
    name = b".".join(TYPE_ENUMERATION_LABELS).decode()
    return text.lower().removesuffix(".").removesuffix(".local") == name


def _read_subtype(part: str, text: str) -> bytes:
    try:
        (label,) = Name.parse(text).labels
    except ValueError:
        raise InvalidService(part, 'a subtype is one label; write it as in "_http._tcp,_printer"') from None
    return subtype_label(label)


def _suggested(labels: Sequence[str]) -> str:
    """Return the type that somebody may have meant."""
    if labels[-1].lower() in ("_tcp", "_udp"):
        labels = labels[-2:]
    words = [label.strip("_") for label in labels]
    protocol = words[1].lower() if len(words) > 1 else ""
    service = words[0] if words[0].isascii() and words[0].isprintable() and words[0] else "http"
    return f"_{service}._{protocol if protocol == 'udp' else 'tcp'}"


def subtype_label(subtype: str | bytes) -> bytes:
    """Return the label of a subtype: octets as they are, text as NFC in UTF-8.

    Any octets are allowed; a leading underscore is not needed and not added (RFC 6763 §7.1).

    :raises InvalidService: when it is empty or longer than 63 octets.
    """
    label = subtype if isinstance(subtype, bytes) else encoded("subtype", subtype)
    if not 1 <= len(label) <= SUBTYPE_LIMIT:
        raise InvalidService(f"subtype {subtype!r}", f"{len(label)} octets; it has 1 to {SUBTYPE_LIMIT}")
    return label


def encoded(part: str, text: str, *, normalize: bool = True) -> bytes:
    """Return text as the precomposed UTF-8 that every name is stored in (RFC 6763 §4.1.1, RFC 6762 §16).

    :param part: what the text is, for the error.
    :param normalize: whether to compose it; not for what another host may have published otherwise.
    :raises InvalidService: when it has a lone surrogate, which UTF-8 cannot encode.
    """
    if not isinstance(text, str):
        raise TypeError(f"{part} {text!r}: it is a str")
    try:
        return (unicodedata.normalize("NFC", text) if normalize else text).encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidService(f"{part} {text!r}", "it is not Unicode text") from None


def type_enumeration_name(domain: Name = LOCAL) -> Name:
    """Return the name whose PTR records list the service types of a domain (RFC 6763 §9)."""
    return _joined("domain", TYPE_ENUMERATION_LABELS, domain)


def parse_types(text: str, *, strict: bool = True) -> tuple[ServiceType, tuple[str | bytes, ...]]:
    """Read a type with its subtypes: after commas, ``_http._tcp,_printer``, or before it as for `read_type`.

    :raises InvalidService: naming the part that is wrong.
    """
    first, *subtypes = text.split(",")
    found, own = read_type(first, strict=strict)
    for subtype in subtypes:
        subtype_label(subtype)
    return found, (*(() if own is None else (own,)), *subtypes)


def _joined(part: str, labels: tuple[bytes, ...], domain: Name) -> Name:
    try:
        return Name.from_labels((*labels, *domain.labels))
    except ValueError as error:
        # RFC 6763 §7.2: the domain is what makes a name too long, since the limits above leave 100 octets to
        # it.
        shown = b".".join(labels).decode("utf-8", "backslashreplace")
        raise InvalidService(f"{part} {shown!r} in domain {str(domain)!r}", str(error)) from None
