"""Run one target under atheris, or each for some seconds: see README.md.

python -m fuzz TARGET [libFuzzer options…]
python -m fuzz --all [SECONDS]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

SECONDS = 5
"""For each target with ``--all``. Our choice: what a check before each change can spare."""

MAX_SIZE = 9000
"""Octets of an input, unless ``-max_len`` says otherwise: what RFC 6762 §17 lets a packet have."""

TIMEOUT = 60
"""Seconds for one input, counted by the clock of the wall. Our choice: the slowest seed takes 0.1 s under
instrumentation, and a machine that stands still for ten seconds is no fault of an input."""


def one(name: str, options: list[str]) -> None:
    """Fuzz one target until it fails, or the options say that it is enough."""
    try:
        atheris: Any = import_module("atheris")
    except ModuleNotFoundError:
        raise SystemExit("fuzz: atheris is not installed; the extra fuzz of this package has it") from None
    with atheris.instrument_imports(include=["mcast"]):
        targets = import_module("fuzz.targets")
    target = targets.TARGETS.get(name)
    if target is None:
        raise SystemExit(f"fuzz: there is no target {name!r}, but {', '.join(targets.TARGETS)}")

    def mutate(data: bytes, size: int, seed: int) -> bytes:
        # libFuzzer's own changes know which comparisons nearly held.
        return bytes(atheris.Mutate(data, size)) if seed % 4 == 0 else target.mutate(data, Random(seed), size)

    folders = [str(target.corpus), str(targets.FAILED / name)]
    with tempfile.TemporaryDirectory(prefix="mcast-fuzz-") as found:
        # The first folder gets what is found; a corpus of one's own goes before it.
        given = [word for word in options if not word.startswith("-")]
        settings = [word for word in options if word.startswith("-")]
        standing = [folder for folder in folders if Path(folder).is_dir()]
        words = [f"-max_len={MAX_SIZE}", f"-timeout={TIMEOUT}", "-rss_limit_mb=2048", *settings]
        atheris.Setup(
            [sys.argv[0], *words, *(given or [found]), *standing], target.run, custom_mutator=mutate
        )
        atheris.Fuzz()


def everything(seconds: int) -> int:
    """Run each target for some seconds; return how many failed. An input that fails stays where it ran."""
    names = subprocess.run(
        [sys.executable, "-c", "from fuzz.targets import TARGETS; print(*TARGETS)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    failed = []
    for name in names:
        words = [sys.executable, "-m", "fuzz", name, f"-max_total_time={seconds}", "-verbosity=0"]
        done = subprocess.run(
            [*words, "-print_final_stats=1"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        shown = done.stdout.decode("utf-8", "replace")
        runs = [line.split()[-1] for line in shown.splitlines() if "number_of_executed_units" in line]
        print(
            f"{name}: {runs[-1] if runs else 'no'} inputs, {'FAILED' if done.returncode else 'well'}",
            flush=True,
        )
        if done.returncode:
            failed.append(name)
            print(shown)
    return len(failed)


def main() -> None:
    """Understand the command line."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help"):
        raise SystemExit(__doc__)
    if words[0] == "--all":
        raise SystemExit(1 if everything(int(words[1]) if len(words) > 1 else SECONDS) else 0)
    one(words[0], words[1:])


main()
