"""BIND and Knot on a test host, with a zone that `nsupdate` may change."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.interop.programs import Program
from tests.network.lan import PATIENCE, Host

KEY = "c2VjcmV0IG9mIHRoZSB0ZXN0cyE="
"""The secret of the key ``tests``, in base64."""


def zone_text(zone: str, server: str, *lines: str, ttl: int = 5) -> str:
    """Return a zone file; relative names in ``lines`` are in the zone.

    BIND takes no name of a host with a blank in it, so that hosts are in a zone of their own, as those of a
    Discovery Proxy with ``--host-zone`` are.

    :param zone: as zone files write it.
    :param server: the whole name of the name server of the zone.
    """
    head = [
        f"$ORIGIN {zone}",
        f"$TTL {ttl}",
        f"@ SOA {server} admin.example.com. 1 3600 600 86400 {ttl}",
        f"@ NS {server}",
    ]
    return "\n".join([*head, *lines]) + "\n"


class DnsServer:
    """A name server in the namespace of a host; the subclasses say which."""

    def __init__(self, host: Host, zones: dict[str, str], *, recursive: bool = False) -> None:
        self.host = host
        self.recursive = recursive
        self.folder = Path(tempfile.mkdtemp(prefix="mcast-dns-"))
        self.folder.chmod(0o755)
        files = {}
        for number, (zone, text) in enumerate(zones.items()):
            files[zone] = self.folder / f"zone{number}"
            files[zone].write_text(text)
        self.program = Program(host.command(*self.configure(files)))
        self.program.wait_for(self.ready)

    ready: str
    """What it prints when it answers."""

    def configure(self, files: dict[str, Path]) -> list[str]:
        """Write the configuration, and return the command."""
        raise NotImplementedError

    def update(self, zone: str, *lines: str) -> None:
        """Change a zone by `nsupdate`, each line such as ``add NAME TTL TYPE DATA``."""
        text = [f"server {self.host.ipv4()}", f"zone {zone}", f"key hmac-sha256:tests {KEY}"]
        text += [*(f"update {line}" for line in lines), "send", ""]
        done = subprocess.run(
            self.host.command("nsupdate"),
            input="\n".join(text),
            text=True,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        if done.returncode or done.stderr:
            raise AssertionError(f"nsupdate: {done.stdout}{done.stderr}")

    def close(self) -> None:
        """End it."""
        self.program.end()
        shutil.rmtree(self.folder, ignore_errors=True)


class Bind(DnsServer):
    """BIND 9."""

    ready = "all zones loaded"  # it says "running on Linux" first of all

    def configure(self, files: dict[str, Path]) -> list[str]:
        zones = "\n".join(
            [
                f'zone "{zone}" {{ type primary; file "{path}"; allow-update {{ key tests; }}; }};'
                for zone, path in files.items()
            ]
        )
        (self.folder / "named.conf").write_text(
            f"""options {{ directory "{self.folder}"; listen-on {{ {self.host.ipv4()}; }};
            listen-on-v6 {{ none; }}; recursion {"yes" if self.recursive else "no"};
            allow-recursion {{ any; }}; allow-query-cache {{ any; }}; empty-zones-enable no;
            pid-file none; session-keyfile none;
            dnssec-validation no; minimal-responses no; }};
            controls {{ }};
            key tests {{ algorithm hmac-sha256; secret "{KEY}"; }};
            {zones}
            """
        )
        return ["named", "-g", "-c", str(self.folder / "named.conf")]


class Knot(DnsServer):
    """Knot DNS."""

    ready = "server started"

    def configure(self, files: dict[str, Path]) -> list[str]:
        zones = "\n".join(
            [f"  - domain: {zone}\n    file: {path}\n    acl: update" for zone, path in files.items()]
        )
        (self.folder / "knot.conf").write_text(
            f"""
server:
    rundir: {self.folder}
    listen: {self.host.ipv4()}@53
log:
  - target: stdout
    any: info
database:
    storage: {self.folder}
key:
  - id: tests
    algorithm: hmac-sha256
    secret: {KEY}
acl:
  - id: update
    action: update
    key: tests
template:
  - id: default
    storage: {self.folder}
    zonefile-sync: -1
    journal-content: changes
zone:
{zones}
"""
        )
        return ["knotd", "-c", str(self.folder / "knot.conf")]
