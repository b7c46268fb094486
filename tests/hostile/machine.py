"""What the operating system says of a program, and a library that makes its calls fail."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from functools import cache
from pathlib import Path

from tests.network.lan import Host

_IGMP, _IGMP6 = "FB0000E0", "ff0200000000000000000000000000fb"
"""The groups of multicast DNS as the kernel writes them."""

_TICKS = os.sysconf("SC_CLK_TCK")


def descriptors(pid: int) -> Counter[str]:
    """Return how many descriptors of each kind a program has open.

    Tables of the kernel do not count, nor what was not open all of the time that this takes.
    """
    lasting = _descriptors_now(pid)
    for _ in range(_MOMENTS):
        time.sleep(0.05)
        lasting &= _descriptors_now(pid)
    return lasting


_MOMENTS = 5
"""How often a program is looked at beyond the first time. Our choice: it reads a table in a millisecond."""


def _descriptors_now(pid: int) -> Counter[str]:
    kinds: Counter[str] = Counter()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            opened = os.readlink(entry)
        except OSError:
            continue
        if not opened.startswith("/proc/"):
            kinds[opened.partition(":")[0]] += 1
    return kinds


def memberships(host: Host) -> Counter[str]:
    """Return how often the groups of multicast DNS are joined, for each interface and family of a host."""
    found: Counter[str] = Counter()
    device = ""
    with host.inside():
        folder = Path("/proc/thread-self/net")
        for line in (folder / "igmp").read_text().splitlines()[1:]:
            words = line.split()
            if line[0].isdigit():
                device = words[1].rstrip(":")
            elif words[0] == _IGMP:
                found[f"{device}/IPv4"] += int(words[1])
        for line in (folder / "igmp6").read_text().splitlines():
            words = line.split()
            if words[2] == _IGMP6:
                found[f"{words[1]}/IPv6"] += int(words[3])
    return found


def wakes(pid: int) -> int:
    """Return how often a program has waited for something so far: a timer or a packet ended each wait."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("voluntary_ctxt_switches"):
            return int(line.split()[1])
    raise AssertionError("the kernel does not count")


def resident(pid: int) -> int:
    """Return the memory of a program that is in use, in KiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def processor_time(pid: int) -> float:
    """Return the seconds of processor that a program has had."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICKS


@cache
def shim() -> Path:
    """Compile ``shim.c`` and return the library."""
    folder = tempfile.mkdtemp(prefix="mcast-shim-")
    atexit.register(shutil.rmtree, folder, True)
    library = Path(folder, "shim.so")
    source = Path(__file__).with_name("shim.c")
    words = ["gcc", "-O2", "-Wall", "-Wextra", "-fPIC", "-shared", "-o", str(library), str(source), "-ldl"]
    subprocess.run(words, check=True, capture_output=True)
    return library


class Refusals:
    """Which calls of a program fail now; given to it by `environment`."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "refused"
        self._file.write_text("")

    @property
    def environment(self) -> tuple[str, ...]:
        """Words for ``env``."""
        return (f"LD_PRELOAD={shim()}", f"MCAST_SHIM={self._file}")

    @property
    def count(self) -> int:
        """How many calls were refused so far."""
        counted = self._file.with_name("refused.count")
        return counted.stat().st_size if counted.exists() else 0

    def refuse(self, number: int, *calls: str, every: int = 1) -> None:
        """From now on each ``every``-th of these calls fails with an error; without calls none does."""
        aside = self._file.with_name("refused.new")
        aside.write_text("".join(f"{call} {number} {every}\n" for call in calls))
        os.replace(aside, self._file)

    def allow(self) -> None:
        """Let all calls pass."""
        self.refuse(0)
