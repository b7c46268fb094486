"""Queriers that are known by name: how they are made to browse and to resolve."""

from __future__ import annotations

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

from mcast.conform.presets import AVAHI_CONFIGURATION, Launch, Preset
from mcast.conform.programs import find_program
from mcast.conform.subjects import Names
from mcast.conform.verdicts import NotRunError

BROWSED = "_mcast-test._tcp"
"""The type that is browsed in a lab where nothing else is said."""


def _type(names: Names) -> str:
    """Return the type as queriers take it: ``_ipp._tcp``."""
    if names.type is None:
        raise NotRunError("a querier browses for a type: --type tells it")
    return str(names.type).removesuffix(".").removesuffix(".local")


def mcast(names: Names, folder: Path) -> Launch:
    """Start ourselves: ``mcast browse``."""
    options = ("browse", "--follow", "--resolve", "--json")
    return Launch((sys.executable, "-m", "mcast.cli", *options, _type(names)), shows="mcast")


def avahi(names: Names, folder: Path) -> Launch:
    """Start avahi-daemon and avahi-browse with a system bus of their own."""
    daemon, bus, browse = map(find_program, ("avahi-daemon", "dbus-daemon", "avahi-browse"))
    configuration = folder / "avahi-daemon.conf"
    text = AVAHI_CONFIGURATION.format(host="conform-subject").replace("enable-dbus=no", "enable-dbus=yes")
    configuration.write_text(text, encoding="utf-8")
    services = folder / "services"
    services.mkdir(exist_ok=True)
    flags = "--no-drop-root --no-chroot --no-proc-title --no-rlimits"
    script = (
        "mount -t tmpfs tmpfs /run && mkdir -p /run/avahi-daemon /run/dbus && "
        f"mount --bind {shlex.quote(str(services))} /etc/avahi/services && "
        f"{bus} --system --fork --nopidfile && "
        f"{{ {daemon} --file={shlex.quote(str(configuration))} {flags} >/dev/null 2>&1 & }} && "
        "until [ -S /run/avahi-daemon/socket ]; do sleep 0.1; done && sleep 2 && "
        f"exec {browse} --parsable --resolve --no-db-lookup {shlex.quote(_type(names))}"
    )
    return Launch(("sh", "-c", script), shows="avahi")


def python_zeroconf(names: Names, folder: Path) -> Launch:
    """Start python-zeroconf with a browser that resolves."""
    if find_spec("zeroconf") is None:
        raise NotRunError("python-zeroconf is not installed: pip install zeroconf")
    return Launch((sys.executable, "-m", "mcast.conform.zeroconf_querier", _type(names)), shows="mcast")


QUERIERS: dict[str, Preset] = {"avahi": avahi, "python-zeroconf": python_zeroconf, "mcast": mcast}
"""By the name that ``--subject`` takes."""
