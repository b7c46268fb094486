"""What other hosts say about our names and records (RFC 6762 §6.6, §8.1, §9, §14)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Final

from mcast.dns.codes import RecordType
from mcast.dns.messages import Message
from mcast.dns.records import Identity, NextSecure, Record
from mcast.mdns.constants import KNOWN_ANSWER_FRACTION, MULTICAST_INTERVAL, SHARED_DELAY
from mcast.mdns.context import LinkContext
from mcast.mdns.responder.duplicate_answers import drop_duplicates
from mcast.mdns.responder.prober import ProbedName
from mcast.mdns.responder.publications import Publications
from mcast.mdns.responder.record_set import RecordSet
from mcast.mdns.responder.response_aggregation import MulticastPlan, Reason
from mcast.mdns.responder.seen_names import SeenNames
from mcast.mdns.responder.tie_break import break_ties, probe_data

SIBLING_PATIENCE: Final = 2.0
"""Seconds before we probe for a verified name that another program of our own host claims, too.

Our choice: such a program, whose record ours or a third one's contradicts, probes for the name within a
second, and is to keep it. avahi-daemon would take our probe or record for a conflict, and rename its host.
"""


class Watcher:
    """Finds conflicts and their opposite, and has the publications and the plan act on them."""

    def __init__(self, context: LinkContext, publications: Publications, plan: MulticastPlan) -> None:
        self._context: Final = context
        self._publications: Final = publications
        self._zone: Final = publications.zone
        self._prober: Final = publications.prober
        self._plan: Final = plan
        self._counters: Final = context.counters
        self._is_own: Final = context.others.holds
        self.seen: Final = SeenNames()
        """What other hosts have, or want, as far as it was heard while we probed."""

    def watch_probe(self, message: Message, now: float) -> None:
        """Take in a query with proposed records."""
        if self._prober.is_active:
            self.seen.note(message.authorities)
            break_ties(message, self._prober, self._publications.proposals, self._context, now)
        self._make_way(message, now)

    def _make_way(self, message: Message, now: float) -> None:
        """Give a verified name up to a host that probes for it with other data.

        We did not probe for the name because of what we know of it, and a host that probes knows better. It
        is the owner for which we were a proxy, or another responder on this machine that maps our common
        address to its own name. That responder would take our defence for a conflict, and look for another
        host name for ever.
        """
        for question in dict.fromkeys(message.questions):
            probed = self._prober.get(question.name.key)
            if probed is None or not probed.verified or (probed.probes and not probed.is_held):
                continue
            theirs = [record for record in message.authorities if record.name == question.name]
            if probe_data(theirs) == probe_data(self._publications.proposals(probed)):
                continue
            if not all(map(self._is_own, theirs)):
                self._publications.lose_verified(probed, now)

    def watch_response(
        self, message: Message, multicast: bool, now: float, *, by_sibling: bool = False
    ) -> bool:
        """Watch for conflicts, for answers that need not be given twice, and for records to be rescued.

        A unicast response counts only while we probe with questions that ask for one (RFC 6762 §6).

        :param by_sibling: whether another program of our own host has sent it.
        :returns: whether it says anything about a name that is ours or wanted.
        """
        is_probing = self._prober.is_active
        if not multicast and not (self._context.unicast_responses and is_probing):
            return False
        if is_probing:
            self.seen.note([record for record in message.answers if record.cache_flush and record.ttl])
        names, zone = self._prober.names, self._zone.names
        if not names and not zone:
            return False
        is_ours = False
        opposed: dict[Identity, Record] = {}
        contested: dict[bytes, ProbedName] = {}
        copies: dict[RecordSet, dict[Identity, int]] = {}
        for record in chain(message.answers, message.authorities, message.additionals):
            key = record.name.key
            if key not in names and key not in zone:
                # Neither ours nor wanted, as nearly all that is heard.
                continue
            is_ours = True
            if self._prober.probing(key):
                opposed[record.identity] = record
            elif not multicast:
                continue
            elif self._conflicts(record, copies, now) if key in zone else self._claims(record, by_sibling):
                probed = self._prober.get(key)
                if probed is not None:
                    contested[key] = probed
        if opposed:
            self._lose_names(opposed.values(), now)
        for probed in contested.values():
            self._counters["conflicts"] += 1
            patience = SIBLING_PATIENCE if by_sibling and probed.verified else 0.0
            self._publications.reprobe(probed, now, patience)
        if copies:
            drop_duplicates(copies, self._plan, self._counters)
        return is_ours

    def _lose_names(self, records: Iterable[Record], now: float) -> None:
        """Give up the names for which another host has answered our probe (RFC 6762 §8.1)."""
        by_name: dict[bytes, list[Record]] = {}
        for record in records:
            # A goodbye claims nothing: it says that its sender gives the name up.
            if record.ttl:
                by_name.setdefault(record.name.key, []).append(record)
        for key, answers in by_name.items():
            probed = self._prober.probing(key)
            if probed is None:
                continue
            proposals = self._publications.proposals(probed)
            # An NSEC record says only what the others say already, and ours may differ from that of our other
            # link. It comes alone when the others were multicast a moment ago.
            types = {record.type for record in proposals}
            telling = [record for record in answers if record.type != RecordType.NSEC]
            telling = telling or [record for record in answers if _listed(record) != types]
            proposed = {record.identity for record in proposals}
            if any(record.identity not in proposed and not self._is_own(record) for record in telling):
                self._counters["names lost"] += 1
                heard = {record.type for record in telling if record.identity not in proposed}
                self._publications.lose_name(probed, heard, now)
            else:
                self._note_missing(probed, telling)

    def _note_missing(self, probed: ProbedName, telling: Iterable[Record]) -> None:
        """Note what an owner of the name lacks whose records are all identical to ours.

        By the cache-flush bit it says that it has told all it has (RFC 6762 §10.2). No record of it conflicts
        with ours; but what we would announce beside them conflicts with its set, and it was there first. So
        does avahi-daemon on our own host, which leaves out link-local addresses.
        """
        proposed = self._publications.proposals(probed)
        sets: dict[tuple[int, int], list[Record]] = {}
        for record in telling:
            if record.cache_flush and record.type != RecordType.NSEC:
                sets.setdefault((record.type, record.rclass), []).append(record)
        for kind, members in sets.items():
            ours = {record.identity for record in proposed if (record.type, record.rclass) == kind}
            told = {record.identity for record in members}
            # What is not among ours is our host's on another link, and with it the whole set.
            if told <= ours and not self._context.others.has_whole(members):
                # A set that no packet holds comes in several.
                missing = probed.missing = {} if probed.missing is None else probed.missing
                missing.setdefault(kind[0], ours).difference_update(told)
                self._prober.doubt(probed)

    def weigh_missing(self, now: float) -> None:
        """Before names become ours, give up those whose owner lacks records of ours.

        Not at the first time: it may be a stray answer, or another program on this host that learns of a new
        address a moment after us. After a second we probe again, and only an owner that says so again counts.
        """
        for probed in self._prober.finishing(now):
            missing = probed.missing or {}
            if not any(missing.values()):
                continue
            if probed.was_incomplete:
                self._counters["names lost"] += 1
                self._publications.lose_name(probed, missing.keys(), now)
            else:
                self._counters["probes deferred"] += 1
                probed.was_incomplete = True
                self._prober.defer(probed, now)

    def _conflicts(self, record: Record, copies: dict[RecordSet, dict[Identity, int]], now: float) -> bool:
        """Whether a record contradicts a unique one of ours (RFC 6762 §9); does what else it calls for."""
        ours = self._zone.published(record)
        if ours is not None:
            copies.setdefault(ours, {})[record.identity] = record.ttl
            true_ttl = next(own.ttl for own in ours.records if own.identity == record.identity)
            if record.ttl < true_ttl * KNOWN_ANSWER_FRACTION:
                # RFC 6762 §6.6, §10.1: put the TTL right, and rescue what another host said goodbye to.
                self._announce_again(ours, now)
            return False
        if not record.ttl or self._zone.was_ours(record, now):
            return False
        ours = self._zone.unique_set(record)
        if ours is None:
            return False
        if not self._is_own(record):
            return True
        # Our own announcement for another link, come here by a bridge: it has flushed what we announced here
        # more than a second ago, and nothing else (RFC 6762 §14).
        if record.cache_flush and now >= ours.multicast_at + MULTICAST_INTERVAL:
            self._announce_again(ours, now)
        return False

    def _claims(self, record: Record, by_sibling: bool) -> bool:
        """Whether a record takes a name of ours that is not in use, since what it points to is not ours now.

        A verified name is taken only by another program of our host, which knows of our address as we do.
        """
        probed = self._prober.get(record.name.key)
        if probed is None or not probed.is_held or not record.ttl or (probed.verified and not by_sibling):
            return False
        proposed = {own.identity for own in self._publications.proposals(probed)}
        return record.cache_flush and record.identity not in proposed and not self._is_own(record)

    def _announce_again(self, ours: RecordSet, now: float) -> None:
        """Multicast a set within the second after which others would forget it (RFC 6762 §10.1, §10.2).

        After a random delay, since other hosts may have the same to say: theirs then spares us ours.
        """
        at = max(now + self._context.rng.uniform(*SHARED_DELAY), ours.multicast_at + MULTICAST_INTERVAL)
        self._plan.add(ours, at, Reason.CORRECTION)
        self._counters["records put right"] += 1


def _listed(denial: Record) -> frozenset[int]:
    """Return the types that an NSEC record says there are; none when it cannot be read."""
    data = denial.data
    return data.types if isinstance(data, NextSecure) else frozenset()
