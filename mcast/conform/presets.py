"""Subjects that are known by name: how they are started with the names that a lab gives them."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from xml.sax.saxutils import escape

from mcast.conform import resolved_subject
from mcast.conform.programs import find_program
from mcast.conform.subjects import Names
from mcast.conform.verdicts import NotRunError

HOST = "conform-subject.local"
SERVICE = "Conform Subject._ipp._tcp"
SUBTYPE = "_printer"
PORT = 631
TEXT = "note=conform"
"""What a subject of a lab publishes where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How a subject is started."""

    words: tuple[str, ...]
    """Its command line; started in its network namespace, with a mount namespace of its own."""
    environment: dict[str, str] = field(default_factory=dict)
    shows: str = ""
    """Of a querier: how the lines that it writes are read, if they are (`shown.WAYS`)."""
    rename: Callable[[str], None] | None = None
    """Gives its service another name while it runs; None where that cannot be done from outside."""


Preset = Callable[[Names, Path], Launch]
"""Given the names and an empty folder of its own; raises NotRunError where it is not installed."""


def _plain(names: Names) -> tuple[str, str, str]:
    """Return the host's label, the instance and the type of a lab's names."""
    if names.service is None:
        raise NotRunError("a preset wants a service")
    instance, kind, proto, *_ = (label.decode() for label in names.service.labels)
    return names.host.labels[0].decode(), instance, f"{kind}.{proto}"


def mcast(names: Names, folder: Path) -> Launch:
    """Start ourselves: ``twist mcast mdns``."""
    host, instance, kind = _plain(names)
    services = folder / "services.toml"
    key, _, value = TEXT.partition("=")

    def write(name: str) -> None:
        # A string of JSON is one of TOML.
        lines = [
            "[[service]]",
            f"name = {json.dumps(name.replace('%', '%%'), ensure_ascii=False)}",
            f'type = "{kind}"',
            f"port = {PORT}",
            f"subtypes = {json.dumps([names.subtype] if names.subtype else [])}",
            f'txt = {{ {key} = "{value}" }}',
        ]
        _replace(services, "\n".join(lines) + "\n")

    write(instance)
    twist = (sys.executable, "-m", "twisted", "--log-format=text")
    words = (*twist, "mcast", "mdns", f"--hostname={host}", f"--services={services}")
    return Launch(words, rename=write)


def _replace(path: Path, text: str) -> None:
    """Write a file that a program follows: it sees the old one or the new one, and no part."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


AVAHI_CONFIGURATION = """\
[server]
host-name={host}
allow-interfaces=eth0
use-ipv4=yes
use-ipv6=yes
enable-dbus=no
[wide-area]
enable-wide-area=no
[publish]
publish-hinfo=no
publish-workstation=no
[rlimits]
"""


def avahi(names: Names, folder: Path) -> Launch:
    """Start avahi-daemon with a configuration, a folder of services and a /run of its own."""
    daemon = find_program("avahi-daemon")
    host, instance, kind = _plain(names)
    services = folder / "services"
    services.mkdir(exist_ok=True)
    subtype = f"<subtype>{names.subtype}._sub.{kind}</subtype>" if names.subtype else ""

    def write(name: str) -> None:
        _replace(
            services / "subject.service",
            '<?xml version="1.0" standalone="no"?><!DOCTYPE service-group SYSTEM "avahi-service.dtd">'
            f"<service-group><name>{escape(name)}</name><service><type>{kind}</type>{subtype}"
            f"<port>{PORT}</port><txt-record>{TEXT}</txt-record></service></service-group>",
        )

    write(instance)
    configuration = folder / "avahi-daemon.conf"
    configuration.write_text(AVAHI_CONFIGURATION.format(host=host), encoding="utf-8")
    flags = "--no-drop-root --no-chroot --no-proc-title --no-rlimits"
    script = (
        "mount -t tmpfs tmpfs /run && mkdir -p /run/avahi-daemon && "
        f"mount --bind {shlex.quote(str(services))} /etc/avahi/services && "
        f"exec {daemon} --file={shlex.quote(str(configuration))} {flags}"
    )
    return Launch(("sh", "-c", script), rename=write)


def python_zeroconf(names: Names, folder: Path) -> Launch:
    """Start python-zeroconf with one service."""
    if find_spec("zeroconf") is None:
        raise NotRunError("python-zeroconf is not installed: pip install zeroconf")
    host, instance, kind = _plain(names)
    words = (sys.executable, "-m", "mcast.conform.zeroconf_subject", host, instance, kind)
    return Launch((*words, str(PORT), TEXT))


def systemd_resolved(names: Names, folder: Path) -> Launch:
    """Start systemd-resolved with one service, on a bus of its own."""
    host, instance, kind = _plain(names)
    script, libraries = resolved_subject.prepare(folder, host, instance, kind, PORT, TEXT)
    return Launch(("sh", "-ec", script), {"LD_LIBRARY_PATH": libraries})


PRESETS: dict[str, Preset] = {
    "avahi": avahi,
    "mcast": mcast,
    "python-zeroconf": python_zeroconf,
    "systemd-resolved": systemd_resolved,
}
"""By the name that ``--subject`` takes."""

WITHOUT_SUBTYPES = frozenset({"python-zeroconf", "systemd-resolved"})
"""Those that register a service under one name only: its type, or a subtype."""
