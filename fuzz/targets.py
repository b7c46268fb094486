"""All targets, by name: what is called with an input, where its seeds are, and how an input is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fuzz import links, packets, proxy, push, texts, updates
from fuzz.mutator import Mutate, pick

FOLDER = Path(__file__).resolve().parent
FAILED = FOLDER / "failed"
"""Inputs that failed once, in a folder for each target: `tests/test_fuzz.py` runs them for ever."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that is fuzzed."""

    name: str
    run: Callable[[bytes], None]
    """Raises when the input shows a fault."""
    corpus: Path
    """The folder of its seeds."""
    mutate: Mutate

    def seeds(self) -> Iterator[Path]:
        """Yield the files of the corpus, and those that failed once."""
        for folder in (self.corpus, FAILED / self.name):
            if folder.is_dir():
                yield from sorted(path for path in folder.iterdir() if path.is_file())


_RUN = {
    **packets.TARGETS,
    **links.TARGETS,
    **texts.TARGETS,
    **push.TARGETS,
    **proxy.TARGETS,
    **updates.TARGETS,
}
_MUTATE = pick(list(_RUN))
_SHARED = dict.fromkeys(packets.TARGETS, "packets") | {"names": "names"}

TARGETS = {
    name: Target(name, run, FOLDER / "corpus" / _SHARED.get(name, name), _MUTATE[name])
    for name, run in _RUN.items()
}
