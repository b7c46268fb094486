"""systemd-resolved as a subject: on a bus of its own, and not installed on the host.

Installing it would change how the host looks names up. ``MCAST_RESOLVED`` names a folder into which its
packages were unpacked: ``apt-get download systemd-resolved libsystemd-shared``, then ``dpkg -x`` each.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from mcast.conform.programs import find_program
from mcast.conform.verdicts import NotRunError

FOLDER_VARIABLE = "MCAST_RESOLVED"
"""The environment variable that names the folder."""

INSTALLED = "/"
"""Where it is if it is installed."""

USER = "systemd-resolve:x:996:"
"""The user and group that it becomes."""

BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/>
<allow receive_sender="*"/></policy></busconfig>
"""

CONFIGURATION = "[Resolve]\nMulticastDNS=yes\nLLMNR=no\n"

SERVICE = "[Service]\nName={instance}\nType={kind}\nPort={port}\nTxtText={text}\n"

# The kernel tells everybody who watches /proc/sys/kernel/hostname when it is set anywhere, in another UTS
# namespace too: without a file in its place each daemon that starts has all others take their first name
# again.
SCRIPT = """\
mount -t tmpfs tmpfs /run
mkdir -p /run/dbus /run/systemd/resolve /run/systemd/resolved.conf.d /run/systemd/dnssd
cp {folder}/resolved.conf /run/systemd/resolved.conf.d
cp {folder}/subject.dnssd /run/systemd/dnssd
chown -R 996:996 /run/systemd/resolve
mount --bind {folder}/passwd /etc/passwd
mount --bind {folder}/group /etc/group
mount --bind {folder}/hostname /proc/sys/kernel/hostname
{bus} --config-file={folder}/bus.conf --nofork --nopidfile &
i=0
while [ ! -S /run/dbus/system_bus_socket ] && [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done
(i=0; while ! {root}/usr/bin/resolvectl mdns eth0 yes 2>/dev/null && [ $i -lt 100 ]; do
  sleep 0.2; i=$((i+1)); done) &
exec unshare --uts sh -c 'hostname "$0" && exec "$1"' {host} {root}/lib/systemd/systemd-resolved
"""


def unpacked() -> Path:
    """Return the folder that has it.

    :raises NotRunError: there is none; in one line.
    """
    named = os.environ.get(FOLDER_VARIABLE, "")
    for folder in (named, INSTALLED):
        if folder and Path(folder, "lib/systemd/systemd-resolved").exists():
            return Path(folder)
    raise NotRunError(
        f"systemd-resolved is not here; {FOLDER_VARIABLE} names a folder into which its packages were "
        "unpacked: apt-get download systemd-resolved libsystemd-shared; dpkg -x each"
    )


def prepare(folder: Path, host: str, instance: str, kind: str, port: int, text: str) -> tuple[str, str]:
    """Write its files into a folder; return the script that starts it, and where its libraries are.

    :raises NotRunError: it is not here.
    """
    root = unpacked()
    (folder / "bus.conf").write_text(BUS, encoding="utf-8")
    (folder / "resolved.conf").write_text(CONFIGURATION, encoding="utf-8")
    # A % begins a specifier there.
    service = SERVICE.format(instance=instance.replace("%", "%%"), kind=kind, port=port, text=text)
    (folder / "subject.dnssd").write_text(service, encoding="utf-8")
    (folder / "hostname").write_text(f"{host}\n", encoding="utf-8")
    for name, rest in (("passwd", "996::/:/usr/sbin/nologin"), ("group", "")):
        users = Path("/etc", name).read_text(encoding="utf-8")
        (folder / name).write_text(f"{users}{USER}{rest}\n", encoding="utf-8")
    script = SCRIPT.format(
        folder=shlex.quote(str(folder)),
        root=shlex.quote(str(root)),
        bus=shlex.quote(find_program("dbus-daemon")),
        host=shlex.quote(host),
    )
    return script, str(root / "usr/lib/x86_64-linux-gnu/systemd")
