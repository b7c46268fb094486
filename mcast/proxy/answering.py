"""Answering plain queries: from the caches, or by asking on the link (RFC 8766 §5.6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from itertools import count
from typing import Final, NamedTuple

from twisted.internet.interfaces import IDelayedCall

from mcast.dns.codes import RecordType, ResponseCode
from mcast.dns.messages import Question
from mcast.dns.records import Record
from mcast.proxy.link_access import LinkAccess, LinkQuestion
from mcast.unicast.administration import TTL_LIMIT, Administration
from mcast.unicast.clients import Clients
from mcast.unicast.composing import Composed, Composer
from mcast.unicast.denial import DENIAL_TYPES, denial_records
from mcast.unicast.responses import Query, Refusal, encode_response, read_query
from mcast.unicast.translation import link_name
from mcast.unicast.usable import Realm
from mcast.unicast.waiting import Joined, Waiting
from mcast.unicast.zone import Delegation, Zone

PREPARED_LIFETIME = 1.0
"""Seconds for which a response is given again as it was made.

Our choice: a record that its owner has taken back is valid for as long (RFC 6762 §10.1).
"""

RENEWED_FOR = 10.0
"""Seconds after which a response is made anew, even when nothing seems to have changed on the link.

Our choice: as long as its records live elsewhere (RFC 8766 §5.5.1).
"""

MAX_PREPARED = 4096
"""Responses that are kept ready. Our choice: five megabytes at most; all are dropped when there are more."""

Reply = Callable[[bytes], object]
LinkKey = tuple[Zone, bytes, int]
"""A question on a link: the zone, the key of the name, and the type."""


class Waiter(NamedTuple):
    """A query that waits for the link."""

    query: Query
    delegation: Delegation
    realm: Realm
    reply: Reply


class Prepared(NamedTuple):
    """A response that is ready for the same query."""

    valid_until: float
    octets: bytes
    """All but the ID."""
    zone: Zone | None = None
    """The zone whose link it was made of; None when it was made of nothing that changes."""
    revision: Hashable = None
    """What was known of the link then; see `LinkAccess.revision`."""
    stale_at: float = 0.0
    """When its TTLs become too long."""


class Answerer:
    """Answers the plain queries of clients, whatever they came by.

    A response is never NXDOMAIN: "the Discovery Proxy cannot know all the Multicast DNS domain names that may
    exist on a link" (RFC 8766 §5.6).
    """

    def __init__(self, access: LinkAccess, administration: Administration, clients: Clients) -> None:
        self.counters: Final[Counter[str]] = Counter()
        """What was answered, and how."""
        self.waiting: Final[Waiting[LinkKey, Waiter]] = Waiting()
        self.ready: Final[dict[Realm, dict[bytes, Prepared]]] = {realm: {} for realm in Realm}
        """Responses by the octets of the query behind its ID, for a hot loop."""
        self._access = access
        self._administration = administration
        self._clients = clients
        self._composer = Composer(access.lookup)
        self._asked: dict[LinkKey, LinkQuestion] = {}
        self._timer: IDelayedCall | None = None
        self._numbers = count()

    def answer(self, message: bytes, client: str, reply: Reply, *, stream: bool) -> bytes | None:
        """Return the response to a message, no octets when it gets none, or None when it comes later.

        :param client: the address that it came from.
        :param reply: called once with the response that comes later, which may have no octets.
        :param stream: whether it came by TCP or TLS.
        """
        try:
            query = read_query(message, stream=stream)
        except Refusal as refusal:
            self.counters[refusal.cause] += 1
            return refusal.response
        known = self._clients.look(client)
        if not known.is_allowed:
            self.counters["clients refused"] += 1
            return encode_response(query, ResponseCode.REFUSED, authoritative=False)
        delegation = self._access.find(query.question.name)
        if delegation is None:
            self.counters["other zones refused"] += 1
            return encode_response(query, ResponseCode.REFUSED, authoritative=False)
        fixed = self._administration.answer(delegation, query.question)
        if fixed is not None:
            self.counters["answered of itself"] += 1
            response = self._encode(query, delegation, fixed)
            self._prepare(query, known.realm, message, response)
            return response
        return self._ask_link(message, query, Waiter(query, delegation, known.realm, reply), client)

    def _ask_link(self, message: bytes, query: Query, waiter: Waiter, client: str) -> bytes | None:
        """Answer from the caches, or have the link asked."""
        delegation = waiter.delegation
        try:
            name = link_name(delegation, query.question.name)
        except ValueError:
            # Longer than a name can be: there is none on the link.
            return self._encode(query, delegation, ())
        wants_denial = query.question.type in DENIAL_TYPES
        question = Question(name, RecordType.ANY if wants_denial else query.question.type)
        zone = delegation.zone
        known = None if wants_denial else self._access.known(zone, question)
        if known is not None:
            self.counters["answered from the cache"] += 1
            composed = self._composer.compose(delegation, query.question, known, waiter.realm)
            response = self._encode_composed(query, delegation, composed)
            # Near its end a record's TTL is told to the second.
            left = composed.lifetime - TTL_LIMIT - 1
            if left > 0:
                self._prepare(query, waiter.realm, message, response, zone, min(left, RENEWED_FOR))
            return response
        if not self._access.is_working(zone):
            return self._link_down(query, delegation)
        key = (zone, name.key, question.type)
        identity = (client, query.id, next(self._numbers) if query.stream else query.question.key)
        now = self._access.now()
        outcome = self.waiting.join(key, client, identity, waiter, now)
        if outcome is Joined.FIRST:
            asked = self._access.ask(
                zone, question, client, lambda now: self._news(key, now), lambda: self._give_up(key)
            )
            if asked is None:
                self.waiting.answered(key)
                outcome = Joined.REFUSED
            else:
                self._asked[key] = asked
                self._arm(now)
        if outcome is Joined.REFUSED:
            self.counters["queries beyond the limit"] += 1
            return encode_response(query, ResponseCode.SERVFAIL)
        self.counters["asked on the link" if outcome is Joined.FIRST else "joined a question"] += 1
        return None

    def stop(self) -> None:
        """Ask no more; who waits gets no answer."""
        for key in self.waiting:
            self._end(key)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # What the link says

    def _news(self, key: LinkKey, now: float) -> None:
        asked = self._asked.get(key)
        if asked is None:
            return
        if asked.gatherer.is_answered:
            found = asked.gatherer.records
            types = asked.gatherer.types
            for waiter in self._end(key):
                self._tell(waiter, self._respond(waiter, found, types))
        elif not self._access.is_working(key[0]):
            self._give_up(key)

    def _give_up(self, key: LinkKey) -> None:
        """The link went down: nobody will answer."""
        for waiter in self._end(key):
            self._tell(waiter, self._link_down(waiter.query, waiter.delegation))

    def _end(self, key: LinkKey) -> list[Waiter]:
        asked = self._asked.pop(key, None)
        if asked is not None:
            asked.close()
        return self.waiting.answered(key)

    def _arm(self, now: float) -> None:
        at = self.waiting.next_wakeup()
        if self._timer is None and at is not None:
            self._timer = self._access.clock.callLater(max(0.0, at - now), self._on_timer, at)

    def _on_timer(self, at: float) -> None:
        self._timer = None
        now = max(at, self._access.now())
        for key in self.waiting.expired(now):
            for waiter in self._end(key):
                self.counters["answered by nobody"] += 1
                self._tell(waiter, self._encode(waiter.query, waiter.delegation, ()))
        self._arm(now)

    def _tell(self, waiter: Waiter, response: bytes) -> None:
        waiter.reply(response)

    # Responses

    def _respond(self, waiter: Waiter, found: Sequence[Record], types: frozenset[int] = frozenset()) -> bytes:
        query, delegation = waiter.query, waiter.delegation
        if query.question.type in DENIAL_TYPES:
            return self._encode(query, delegation, denial_records(delegation, query.question, found, types))
        composed = self._composer.compose(delegation, query.question, found, waiter.realm)
        return self._encode_composed(query, delegation, composed)

    def _encode_composed(self, query: Query, delegation: Delegation, composed: Composed) -> bytes:
        self.counters["records suppressed"] += composed.suppressed
        return self._encode(query, delegation, composed.answers, composed.additionals)

    def _encode(
        self,
        query: Query,
        delegation: Delegation,
        answers: Sequence[Record],
        additionals: Sequence[Record] = (),
    ) -> bytes:
        # RFC 2308 §3: the SOA record beside a negative answer tells how long it may be remembered.
        authorities = () if answers else (self._administration.negative_soa(delegation),)
        return encode_response(query, ResponseCode.NOERROR, answers, authorities, additionals)

    def _link_down(self, query: Query, delegation: Delegation) -> bytes:
        """Answer at once for a link that does not work.

        Nobody on it can be reached, so that there is nothing (RFC 8766 §5.6: "no error no answer"). Where
        fellows serve the link too, SERVFAIL has a resolver ask one of those (RFC 8766 §6.2).
        """
        self.counters["answered while the link was down"] += 1
        if len(self._administration.name_servers) > 1:
            return encode_response(query, ResponseCode.SERVFAIL)
        return self._encode(query, delegation, ())

    def renewed(self, realm: Realm, key: bytes, prepared: Prepared, now: float) -> Prepared | None:
        """Return a response that has been ready for a second, when it would be made the same again."""
        if prepared.zone is None or now >= prepared.stale_at:
            return None
        if self._access.revision(prepared.zone) != prepared.revision:
            return None
        again = prepared._replace(valid_until=min(now + PREPARED_LIFETIME, prepared.stale_at))
        self.ready[realm][key] = again
        return again

    def _prepare(
        self,
        query: Query,
        realm: Realm,
        message: bytes,
        response: bytes,
        zone: Zone | None = None,
        left: float = 0.0,
    ) -> None:
        if query.stream or not query.is_plain:
            return
        ready = self.ready[realm]
        if len(ready) >= MAX_PREPARED:
            self.counters["prepared answers displaced"] += len(ready)
            ready.clear()
        now = self._access.now()
        revision = None if zone is None else self._access.revision(zone)
        ready[message[2:]] = Prepared(now + PREPARED_LIFETIME, response[2:], zone, revision, now + left)
