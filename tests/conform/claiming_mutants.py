"""``twist mcast mdns`` that claims, keeps or announces its names wrongly; see `tests.conform.mutants`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from types import SimpleNamespace
from typing import Any

from mcast.dns import records
from mcast.dns.codes import RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import LOCAL, Name
from mcast.dns.records import Record
from mcast.mdns.constants import DEFENCE_INTERVAL, MDNS_PORT
from mcast.mdns.responder import (
    announcer,
    answerer,
    conflicts,
    goodbyes,
    prober,
    publications,
    responder,
)
from mcast.mdns.responder.response_aggregation import Reason
from mcast.mdns.responder.tie_break import probe_data
from mcast.node import publisher
from tests.conform.mutant import Patch, mutant, replace, wrap

# Probing


@mutant(
    "no-probes",
    "probing.before-use",
    follows={"changes.rename-probes": "a name that is given later is not probed for either"},
)
def no_probes() -> None:
    def around(real: Patch) -> Patch:
        def want(self: Any, name: Name, owner: Any, now: float, *, verified: bool = False) -> None:
            is_known = name.key in self.names
            real(self, name, owner, now, verified=verified)
            probed = self.get(name.key)
            # A name that is taken after a lost one is probed for, and so are all when the link is back.
            if self._lost_at is None and not (verified or is_known or probed.probes or self._is_suspended):
                probed.is_held = True
                self._stop(probed)

        return want

    wrap(prober.Prober, "want", around)


@mutant("slow-probes", "probing.interval")
def slow_probes() -> None:
    replace(prober, "PROBE_INTERVAL", 0.55)


def _probes_otherwise(change: Any) -> None:
    def around(real: Patch) -> Patch:
        return lambda proposals, sizes: real([change(*each) for each in proposals], sizes)

    wrap(publications, "pack_probes", around)


@mutant("probes-for-one-type", "probing.any")
def probes_for_one_type() -> None:
    def change(question: Question, proposed: Sequence[Record]) -> Any:
        rtype = proposed[0].type
        return Question(question.name, rtype, question.rclass, question.unicast), proposed

    _probes_otherwise(change)


@mutant("probes-without-qu", "probing.unicast-question")
def probes_without_qu() -> None:
    replace(publications.Publications, "_wants_unicast", lambda *_: False)


@mutant("proposes-another-name", "probing.proposes")
def proposes_another_name() -> None:
    name = Name.from_labels(("another", *LOCAL.labels))

    def change(question: Question, proposed: Sequence[Record]) -> Any:
        return question, [Record(name, one.type, one.rclass, one.ttl, one.rdata) for one in proposed]

    _probes_otherwise(change)


@mutant("proposes-with-cache-flush", "probing.no-cache-flush")
def proposes_with_cache_flush() -> None:
    def change(question: Question, proposed: Sequence[Record]) -> Any:
        return question, [one.with_cache_flush(True) for one in proposed]

    _probes_otherwise(change)


@mutant("answers-before-claim", "probing.no-answer-before")
def answers_before_claim() -> None:
    def around(real: Patch) -> Patch:
        def handle(self: Any, message: Message, source: Any, *rest: Any) -> Any:
            if not message.authorities and not self._context.neighbours.is_own(source[0]):
                for question in message.questions:
                    probed = self._prober.probing(question.name.key)
                    if probed is not None:
                        early = self._publications.proposals(probed)
                        payload = encode(Message(flags=RESPONSE_FLAGS, answers=early))
                        self._outbox.multicast(payload)
                        self._siblings.note_sent(payload, rest[1])
            return real(self, message, source, *rest)

        return handle

    wrap(responder.Responder, "handle_query", around)


@mutant("never-slows-down", "probing.fifteen-conflicts")
def never_slows_down() -> None:
    replace(prober, "CONFLICT_PAUSE", 0.0)


@mutant("equal-data-lose", "tie-breaks.equal")
def equal_data_lose() -> None:
    def around(real: Patch) -> Patch:
        def break_ties(message: Message, names: Any, proposals: Any, context: Any, now: float) -> None:
            real(message, names, proposals, context, now)
            for question in message.questions:
                probed = names.probing(question.name.key)
                theirs = [one for one in message.authorities if one.name == question.name]
                if probed is not None and probe_data(theirs) == probe_data(proposals(probed)):
                    names.defer(probed, now)

        return break_ties

    wrap(conflicts, "break_ties", around)


# Conflicts


@mutant(
    "objections-ignored",
    *("conflicts.while-probing", "conflicts.new-name", "conflicts.any-type"),
    *("conflicts.lost-after-claim", "conflicts.new-name-after-claim"),
)
def objections_ignored() -> None:
    replace(conflicts.Watcher, "_lose_names", lambda *_: None)


@mutant("objections-of-other-types-ignored", "conflicts.any-type")
def objections_of_other_types_ignored() -> None:
    def around(real: Patch) -> Patch:
        return lambda self, told, now: real(self, [one for one in told if one.type != RecordType.TXT], now)

    wrap(conflicts.Watcher, "_lose_names", around)


@mutant("takes-no-other-name", "conflicts.new-name", "conflicts.new-name-after-claim")
def takes_no_other_name() -> None:
    replace(publisher.Publisher, "_rename", lambda *_: None)


@mutant(
    "conflicts-ignored",
    *("conflicts.after-claim", "conflicts.lost-after-claim", "conflicts.new-name-after-claim"),
)
def conflicts_ignored() -> None:
    replace(publications.Publications, "reprobe", lambda *_: None)


@mutant("silent-after-conflict", "conflicts.kept-when-unopposed")
def silent_after_conflict() -> None:
    contested: set[bytes] = set()

    def reprobe_around(real: Patch) -> Patch:
        def reprobe(self: Any, probed: Any, now: float) -> None:
            contested.add(probed.name.key)
            real(self, probed, now)

        return reprobe

    def take_over_around(real: Patch) -> Patch:
        def take_over(self: Any, won: Any, now: float) -> None:
            real(self, [one for one in won if one.name.key not in contested], now)

        return take_over

    wrap(publications.Publications, "reprobe", reprobe_around)
    wrap(publications.Publications, "_take_over", take_over_around)


def _on_records_of_others(react: Any) -> None:
    """Have something done with each record that another host says."""

    def around(real: Patch) -> Patch:
        def handle(self: Any, message: Message, source: Any, multicast: bool, now: float, *rest: Any) -> Any:
            if multicast and source[1] == MDNS_PORT and not self._context.neighbours.is_own(source[0]):
                for record in chain(message.answers, message.additionals):
                    react(self, record, now)
            return real(self, message, source, multicast, now, *rest)

        return handle

    wrap(responder.Responder, "handle_response", around)


@mutant("same-data-answered", "conflicts.identical")
def same_data_answered() -> None:
    def react(self: Any, record: Record, now: float) -> None:
        ours = self._zone.published(record)
        if ours is not None and record.type == RecordType.A:
            self._plan.add(ours, now, Reason.DUTY)

    _on_records_of_others(react)


@mutant("shared-of-others-answered", "conflicts.shared")
def shared_of_others_answered() -> None:
    def react(self: Any, record: Record, now: float) -> None:
        if record.type == RecordType.PTR and self._zone.published(record) is None:
            for ours in self._zone.sets(record.name.key, RecordType.PTR):
                self._plan.add(ours, now, Reason.DUTY)

    _on_records_of_others(react)


@mutant("nothing-put-right", "conflicts.short-ttl", "conflicts.goodbye-of-others")
def nothing_put_right() -> None:
    replace(conflicts.Watcher, "_announce_again", lambda *_: None)


@mutant("defends-nothing", "conflicts.defends", "conflicts.defends-several")
def defends_nothing() -> None:
    replace(answerer.Answerer, "_defend", lambda *_: None)


def _defend_late(delay: Any) -> None:
    def defend(self: Any, defences: dict[Any, bool], source: Any, now: float) -> None:
        wait = delay({answer.name.key for answer in defences})
        direct = [answer for answer, unicast in defences.items() if unicast]
        if direct and self.unicast.allowances.reaches(source[0]):
            self.unicast.delayed.add(source, direct, now + wait, b"")
        else:
            for answer in defences:
                at = max(now + wait, answer.multicast_at + DEFENCE_INTERVAL)
                self._plan.add(answer, at, Reason.DUTY)

    replace(answerer.Answerer, "_defend", defend)


@mutant("defends-late", "conflicts.defends-at-once")
def defends_late() -> None:
    _defend_late(lambda names: 0.1)


@mutant("defends-several-late", "conflicts.defends-several")
def defends_several_late() -> None:
    _defend_late(lambda names: 0.45 if len(names) > 1 else 0.0)


# Announcing


@mutant("text-only-sent-along", "announcing.all-records")
def text_only_sent_along() -> None:
    def around(real: Patch) -> Patch:
        def pack(answers: Any, additionals: Any, sizes: Any) -> Any:
            answers = list(answers)
            moved = []
            if any(each[0].name.labels[0] == b"_services" for each in answers):
                moved = [each for each in answers if each[0].type == RecordType.TXT and each[0].ttl]
            kept = [each for each in answers if each not in moved]
            along = [SimpleNamespace(records=each) for each in moved]
            payloads, room = real(kept, [*along, *additionals], sizes)
            return payloads, [each for each in room if each not in along]

        return pack

    wrap(responder, "pack_response", around)


@mutant("announced-late-again", "announcing.one-second-apart")
def announced_late_again() -> None:
    replace(announcer, "ANNOUNCE_INTERVAL", 1.8)


class Steady(announcer.AnnouncementSeries):
    """A series whose intervals do not grow."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, 1.0 if name == "interval" else value)


@mutant("announced-steadily", "announcing.no-more")
def announced_steadily() -> None:
    replace(announcer, "AnnouncementSeries", Steady)
    wrap(announcer.Announcer, "__init__", lambda real: lambda self, _: real(self, 4))


@mutant("service-lives-long", "announcing.host-ttl")
def service_lives_long() -> None:
    wrap(records, "service", lambda real: lambda *given, ttl, **rest: real(*given, ttl=600, **rest))


# Goodbyes


@mutant("goodbye-of-other-data", "goodbyes.same-data")
def goodbye_of_other_data() -> None:
    def around(real: Patch) -> Patch:
        def take(self: Any, now: float) -> list[Record]:
            return [
                records.text(each.name, [b"other"], 0, True) if each.type == RecordType.TXT else each
                for each in real(self, now)
            ]

        return take

    wrap(goodbyes.Goodbyes, "take", around)
