"""Discovery Proxies that are known by name: how they are started for the zones of a lab."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mcast.conform.presets import Launch
from mcast.conform.programs import find_program
from mcast.conform.subjects import Names

ZONE = "Conform Link.example.com"
"""The zone of services."""

HOST_ZONE = "conform-link.example.com"
"""The zone of host names."""

SERVER = "proxy.example.com"
"""The name of the proxy."""

ADDRESS = "10.77.0.2"
"""Where it listens: UDP and TCP port 53, TLS port 853."""


TWIST = (sys.executable, "-m", "twisted", "--log-format=text", "mcast", "proxy")
"""How our own proxy is started."""


def mcast(names: Names, folder: Path) -> Launch:
    """Start ourselves: ``twist mcast proxy``, with a certificate that it signs itself."""
    return proxy_launch(TWIST, folder)


def proxy_launch(command: Sequence[str], folder: Path) -> Launch:
    """Return how a program is started that takes the options of ``twist mcast proxy``."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    make = (
        *(find_program("openssl"), "req", "-x509", "-nodes", "-days", "2", "-subj", f"/CN={SERVER}"),
        *("-addext", f"subjectAltName=DNS:{SERVER}", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-keyout", str(key), "-out", str(certificate)),
    )
    words = (
        *command,
        *(f"--zone={ZONE}=eth0", f"--host-zone={HOST_ZONE}", f"--listen={ADDRESS}", f"--ns={SERVER}"),
        *("--contact=ops@example.com", f"--tls-certificate={certificate}", f"--tls-key={key}"),
    )
    return Launch(("sh", "-ec", f"{shlex.join(make)} 2>/dev/null; exec {shlex.join(words)}"))


PROXIES: dict[str, Callable[[Names, Path], Launch]] = {"mcast": mcast}
"""By the name that ``--subject`` takes."""
