"""Ourselves with one behaviour broken, and whether ``mcast conform`` sees it, and that alone.

What is broken is ``twist mcast mdns`` here, ``mcast browse`` in `tests.conform.querier_mutants`, and
``twist mcast proxy`` in `tests.conform.proxy_mutants`.

    python -m tests.conform.mutants                      # all of them, each by a whole run; needs root
    python -m tests.conform.mutants tie-break-reversed   # these
    python -m tests.conform.mutants --own-groups         # all of them, by the groups alone that must fall
    python -m tests.conform.mutants --never-broken       # list the checks that no mutant breaks
    python -m tests.conform.mutants --record             # all, and write what fell into mutants.csv
    python -m tests.conform.mutants --judge NAME OPTION… # ``mcast conform`` of a mutant, with these options
    python -m tests.conform.mutants --run NAME OPTION…   # be a mutant: what a lab starts as its subject

To add one: a function that breaks something, and the checks that must fall.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

from mcast.cli import main as run_command
from mcast.conform.namespaces import going_first
from mcast.conform.presets import Launch
from mcast.conform.proxy import PROXY
from mcast.conform.proxy_presets import proxy_launch
from mcast.conform.querier import QUERIER
from mcast.conform.responder import RESPONDER
from mcast.conform.runs import PRESETS_OF
from mcast.conform.subjects import Names
from mcast.dns.building import MessageBuilder
from mcast.dnssd import publishing
from mcast.mdns.responder import (
    answerer,
    goodbyes,
    legacy_responses,
    prepared_answers,
    prober,
    tie_break,
)
from tests.conform import (
    answering_mutants,
    claiming_mutants,
    proxy_mutants,
    querier_mutants,
    responder_mutants,
    sending_mutants,
)
from tests.conform.mutant import MUTANTS, Mutant, mutant, replace

OTHERS = (
    answering_mutants,
    claiming_mutants,
    proxy_mutants,
    querier_mutants,
    responder_mutants,
    sending_mutants,
)
"""They add mutants of their own."""

TOP = Path(__file__).resolve().parents[2]

RECORD = Path(__file__).with_name("mutants.csv")
"""What fell of each mutant when it was judged last; ``--record`` writes it."""

SIDE_BY_SIDE = 10
"""Groups of one mutant that are judged at the same time. Our choice: they wait most of the time."""

COLUMNS = ("mutant", "role", "judged by", "fell")


@mutant(
    "no-goodbye",
    *("goodbyes.shared", "goodbyes.unique"),
    follows={"changes.rename-goodbye": "the old name is to be taken back by a goodbye, too"},
)
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


@mutant("truncated-at-once", "known-answers.truncated-delay")
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


def called(name: str) -> Mutant:
    """Return a mutant, or several as one, whose names a plus joins."""
    parts = [MUTANTS[part] for part in name.split("+")]

    def apply() -> None:
        for part in parts:
            part.apply()

    follows = {check: why for part in parts for check, why in part.follows.items()}
    return Mutant(frozenset(check for part in parts for check in part.breaks), follows, apply)


def be(name: str, options: Sequence[str]) -> None:
    """Run ``twist mcast mdns``, ``twist mcast proxy`` or ``mcast browse`` as a mutant."""
    mutant = called(name)
    mutant.apply()
    if mutant.role == "querier":
        sys.exit(run_command(["browse", "--follow", "--resolve", "--json", *options]))
    from twisted.application.twist._twist import Twist

    service = "proxy" if mutant.role == "proxy" else "mdns"
    Twist.main(["twist", "--log-format=text", "mcast", service, *options])


LAST_WORD = {"responder": "mdns", "querier": "--json"}
"""The word of a preset's command line after which what a mutant is given as well begins."""


def judge_it(name: str, options: Sequence[str]) -> None:
    """Run ``mcast conform`` on ``--subject mcast``, with a mutant in its place."""
    role = called(name).role
    presets = PRESETS_OF[role]
    real = presets["mcast"]

    def launch(names: Names, folder: Path) -> Launch:
        words = (sys.executable, "-m", "tests.conform.mutants", "--run", name)
        if role == "proxy":
            return proxy_launch(words, folder)
        made = real(names, folder)
        begin = 1 + made.words.index(LAST_WORD[role])
        return changed(made, words=(*words, *made.words[begin:]))

    PRESETS_OF[role] = {**presets, "mcast": launch}
    sys.exit(run_command(["conform", role, "--subject", "mcast", *options]))


def judged(name: str, only: Iterable[str] = (), save: Path | None = None) -> dict[str, str]:
    """Return the verdict of each check on a mutant.

    :param only: groups; all by default.
    :param save: a folder for the JSON of the run.
    """
    judge = [sys.executable, "-m", "tests.conform.mutants", "--judge", name, "--json"]
    judge += ["--jobs", str(SIDE_BY_SIDE), *(word for each in only for word in ("--only", each))]
    done = subprocess.run(judge, stdout=subprocess.PIPE, text=True, check=False, cwd=TOP)
    if save is not None:
        (save / f"{name}.json").write_text(done.stdout, encoding="utf-8")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {each["check"]: each["verdict"] for each in found if each["event"] == "finding"}


def broken(verdicts: dict[str, str]) -> set[str]:
    """Return the checks that do not hold."""
    return {check for check, verdict in verdicts.items() if verdict in ("fail", "warning")}


def report(name: str, verdicts: dict[str, str]) -> bool:
    """Print what came of a mutant; return whether it is as it should be."""
    found, wanted = broken(verdicts), called(name).all_broken
    good = found == wanted
    print(f"{name}: {'seen, and nothing else' if good else 'NOT AS IT SHOULD BE'}", flush=True)
    for word, checks in (("missed", wanted - found), ("broken as well", found - wanted)):
        for check in sorted(checks):
            print(f"    {word}: {check} ({verdicts.get(check)})", flush=True)
    return good


def recorded() -> dict[str, dict[str, str]]:
    """Return the rows of the table by mutant."""
    if not RECORD.exists():
        return {}
    with RECORD.open(encoding="utf-8", newline="") as file:
        return {row["mutant"]: row for row in csv.DictReader(file)}


def record(name: str, verdicts: dict[str, str], scope: str) -> None:
    """Write into the table what fell of a mutant; of several as one, to each what is its own."""
    rows = recorded()
    parts = name.split("+")
    fell = broken(verdicts)
    for part in parts:
        own = fell if len(parts) == 1 else fell & MUTANTS[part].all_broken
        others = " ".join(other for other in parts if other != part)
        rows[part] = {
            "mutant": part,
            "role": MUTANTS[part].role,
            "judged by": f"{scope} together with {others}" if others else scope,
            "fell": " ".join(sorted(own)),
        }
    with RECORD.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[each] for each in MUTANTS if each in rows)


def never_broken() -> list[str]:
    """Return the checks that no mutant breaks."""
    named = {check for mutant in MUTANTS.values() for check in mutant.all_broken}
    known = [
        check.id
        for role in (RESPONDER, QUERIER, PROXY)
        for scenario in role.scenarios
        for check in scenario.checks
    ]
    return [each for each in known if each not in named]


def main(given: Sequence[str]) -> int:
    """Judge mutants, or be one."""
    if given[:1] == ["--run"]:
        be(given[1], given[2:])
        return 0
    if given[:1] == ["--judge"]:
        judge_it(given[1], given[2:])
    parser = argparse.ArgumentParser(description="judge mutants of ours; needs root")
    parser.add_argument("names", nargs="*", help="which; all by default; A+B is one that is both")
    parser.add_argument("--role", choices=["responder", "querier", "proxy"], help="those of a role")
    parser.add_argument("--jobs", type=int, default=2, help="so many side by side")
    parser.add_argument("--own-groups", action="store_true", help="only by the groups that must fall")
    parser.add_argument("--never-broken", action="store_true", help="list the checks that no mutant breaks")
    parser.add_argument("--record", action="store_true", help=f"write what fell into {RECORD.name}")
    parser.add_argument("--save", type=Path, metavar="DIR", help="write the JSON of each run there")
    options = parser.parse_args(given)
    if options.never_broken:
        print("\n".join(never_broken()))
        return 0
    names = options.names or [name for name, each in MUTANTS.items() if options.role in (None, each.role)]

    def judge(name: str) -> dict[str, str]:
        return judged(name, called(name).groups if options.own_groups else (), options.save)

    results = []
    # For all of them: each would take the priority of the session away in the end.
    with going_first(), ThreadPoolExecutor(options.jobs) as pool:
        pending = {pool.submit(judge, name): name for name in names}
        for done in as_completed(pending):
            name, verdicts = pending[done], done.result()
            results.append(report(name, verdicts))
            if options.record and (results[-1] or "+" not in name):
                record(name, verdicts, "own groups" if options.own_groups else "all groups")
    print(f"{sum(results)} of {len(results)} mutants were seen, and nothing else")
    return not all(results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
