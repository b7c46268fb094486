"""``twist mcast mdns`` with one behaviour broken, and whether ``mcast conform`` sees it, and that alone.

    python -m tests.conform.mutants                      # all of them, each by a whole run; needs root
    python -m tests.conform.mutants tie-break-reversed   # these
    python -m tests.conform.mutants --run NAME OPTION…   # be a mutant: what a lab starts as its subject

To add one: a function that breaks something, and the checks that must fall.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcast.conform.presets import HOST, PORT, SERVICE, SUBTYPE, TEXT
from mcast.dns.messages import MessageBuilder
from mcast.dnssd import publishing
from mcast.mdns.responder import (
    answerer,
    goodbyes,
    legacy_responses,
    prepared_answers,
    prober,
    tie_break,
)

TOP = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One behaviour that is broken."""

    breaks: frozenset[str]
    """The checks that must not hold; all others must."""
    apply: Callable[[], None]

    @property
    def groups(self) -> list[str]:
        """The groups of these checks."""
        return sorted({check.partition(".")[0] for check in self.breaks})


MUTANTS: dict[str, Mutant] = {}


def mutant(name: str, *breaks: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Add a mutant, whose decorated function breaks something."""

    def add(apply: Callable[[], None]) -> Callable[[], None]:
        MUTANTS[name] = Mutant(frozenset(breaks), apply)
        return apply

    return add


def replace(owner: Any, name: str, value: object) -> None:
    """Put something else in the place of what is there.

    :raises AttributeError: nothing is there, so that the mutant would break nothing.
    """
    getattr(owner, name)
    setattr(owner, name, value)


@mutant("no-goodbye", "goodbyes.shared", "goodbyes.unique")
def no_goodbye() -> None:
    replace(goodbyes.Goodbyes, "add", lambda *_: None)


@mutant("other-ttl", "announcing.other-ttl")
def other_ttl() -> None:
    replace(publishing, "OTHER_TTL", 600)


@mutant("one-probe", "probing.three", "probing.wait-after")
def one_probe() -> None:
    replace(prober, "PROBES", 1)
    replace(prober, "PROBE_INTERVAL", 0.05)


class Reversed(list[Any]):
    """A list that is less where another one is greater."""

    def __lt__(self, other: Any) -> bool:
        return list.__gt__(self, other)


@mutant(
    "tie-break-reversed",
    *("tie-breaks.won", "tie-breaks.lost", "tie-breaks.lost-tries-again"),
    *("tie-breaks.longer-list", "tie-breaks.type-first"),
)
def tie_break_reversed() -> None:
    real = tie_break.probe_data
    replace(tie_break, "probe_data", lambda records: Reversed(real(records)))


@mutant(
    "truncated-at-once",
    *("known-answers.truncated-delay", "known-answers.later-packet", "known-answers.extended"),
)
def truncated_at_once() -> None:
    replace(answerer, "TRUNCATED_DELAY", (0.02, 0.03))


@mutant("legacy-srv-compressed", "legacy.srv-uncompressed")
def legacy_srv_compressed() -> None:
    def builder(*sizes: int, legacy: bool, **rest: Any) -> MessageBuilder:
        return MessageBuilder(*sizes, legacy=False, **rest)

    replace(legacy_responses, "MessageBuilder", builder)


@mutant("legacy-ttl", "legacy.ttl")
def legacy_ttl() -> None:
    replace(legacy_responses, "LEGACY_TTL", 4500)


@mutant("known-answers-ignored", "known-answers.suppressed", "known-answers.half", "known-answers.unique")
def known_answers_ignored() -> None:
    replace(answerer, "is_known", lambda *_: False)


@mutant("unique-delayed", "answers.unique-at-once")
def unique_delayed() -> None:
    replace(answerer, "_is_ours_alone", lambda _: False)
    # Else every answer but the first would take the short way.
    replace(
        prepared_answers.ReadyAnswers,
        "make",
        lambda _self, _key, message: prepared_answers.ReadyAnswer(message),
    )


def be(name: str, options: Sequence[str]) -> None:
    """Run ``twist mcast mdns`` as a mutant."""
    from twisted.application.twist._twist import Twist

    MUTANTS[name].apply()
    Twist.main(["twist", "--log-format=text", "mcast", "mdns", *options])


def judged(name: str, only: Iterable[str] = ()) -> dict[str, str]:
    """Return the verdict of each check on a mutant.

    :param only: groups; all by default.
    """
    host = HOST.removesuffix(".local")
    instance, _, kind = SERVICE.partition("._")
    service = f"--service={instance}:_{kind},{SUBTYPE}:{PORT}:{TEXT}"
    words = (sys.executable, "-m", "tests.conform.mutants", "--run", name, f"--hostname={host}", service)
    judge = [sys.executable, "-m", "mcast.cli", "conform", "responder", "--json", "--subtype", SUBTYPE]
    for each in only:
        judge += ["--only", each]
    done = subprocess.run(
        [*judge, "--command", shlex.join(words)], stdout=subprocess.PIPE, text=True, check=False, cwd=TOP
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {each["check"]: each["verdict"] for each in found if each["event"] == "finding"}


def broken(verdicts: dict[str, str]) -> set[str]:
    """Return the checks that do not hold."""
    return {check for check, verdict in verdicts.items() if verdict in ("fail", "warning")}


def main(words: Sequence[str]) -> int:
    """Judge mutants, or be one."""
    if words[:1] == ["--run"]:
        be(words[1], words[2:])
        return 0
    status = 0
    for name in words or MUTANTS:
        verdicts = judged(name)
        found, wanted = broken(verdicts), MUTANTS[name].breaks
        good = found == wanted
        status |= not good
        print(f"{name}: {'seen, and nothing else' if good else 'NOT AS IT SHOULD BE'}", flush=True)
        for word, checks in (("missed", wanted - found), ("broken as well", found - wanted)):
            for check in sorted(checks):
                print(f"    {word}: {check} ({verdicts.get(check)})", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
