"""The times and limits of RFC 6762; seconds unless a docstring says otherwise.

A number that is ours says "Our choice" with the reason; every other one is the RFC's.
"""

from __future__ import annotations

# Groups, ports and sizes

MDNS_PORT = 5353
"""The UDP port of Multicast DNS, source and destination alike (RFC 6762 §3, §5.2, §6)."""

IPV4_GROUP = "224.0.0.251"
"""The IPv4 link-local group of multicast DNS (RFC 6762 §3)."""

IPV6_GROUP = "ff02::fb"
"""The IPv6 link-local group of multicast DNS (RFC 6762 §3); the one FF0X::FB scope in use (RFC 6762 §22)."""

DEFAULT_MTU = 1500
"""Octets of an IP packet that we fill at most, even where larger ones would pass (RFC 6762 §17)."""

MAX_PACKET = 9000
"""Octets of the largest packet, IP and UDP headers included, fragmented or not (RFC 6762 §17)."""

IPV4_OVERHEAD = 28
"""Octets of the IPv4 and UDP headers (RFC 6762 §17)."""

IPV6_OVERHEAD = 48
"""Octets of the IPv6 and UDP headers (RFC 6762 §17)."""

# Responding

SHARED_DELAY = (0.020, 0.120)
"""Random delay of answers that other hosts may give too (RFC 6762 §6).

All answers to a query with several questions have it as well (RFC 6762 §6.3).
"""

TRUNCATED_DELAY = (0.400, 0.500)
"""Random delay after the last packet with the TC bit from one host (RFC 6762 §6, §7.2)."""

AGGREGATION_DELAY = 0.500
"""How much longer an answer may wait so that it can leave together with later ones (RFC 6762 §6.4)."""

MULTICAST_INTERVAL = 1.0
"""Between two multicasts of one record on one interface (RFC 6762 §6)."""

DEFENCE_INTERVAL = 0.250
"""The same when the second one answers a probe (RFC 6762 §6)."""

UNICAST_TTL_FRACTION = 0.25
"""A question that wants a unicast response gets it within this part of the TTL (RFC 6762 §5.4).

It is counted from the last multicast of the record.
"""

KNOWN_ANSWER_FRACTION = 0.5
"""A known answer counts when it is listed with at least this part of the true TTL (RFC 6762 §7.1).

A copy of our record from another host that has less than this is put right (RFC 6762 §6.6).
"""

LEGACY_TTL = 10
"""The highest TTL in a response to a legacy query (RFC 6762 §6.7)."""

# Probing, announcing, conflicts

PROBE_WAIT = 0.250
"""Upper end of the random delay before the first probe (RFC 6762 §8.1)."""

PROBE_INTERVAL = 0.250
"""Between two probes, and between the last one and the claim (RFC 6762 §8.1)."""

PROBES = 3
"""Probes sent for a name (RFC 6762 §8.1)."""

DEFER_DELAY = 1.0
"""How long the loser of a simultaneous probe waits before it probes again (RFC 6762 §8.2)."""

CONFLICT_LIMIT = 15
"""Conflicts within `CONFLICT_PERIOD` that slow probing down (RFC 6762 §8.1)."""

CONFLICT_PERIOD = 10.0
"""The period in which conflicts are counted (RFC 6762 §8.1)."""

CONFLICT_PAUSE = 5.0
"""The wait before each probe attempt once there were too many conflicts (RFC 6762 §8.1)."""

CONFLICT_MEMORY = 60.0
"""After this time without a conflict, probing is no longer slowed down.

Our choice: RFC 6762 §8.1 tells when the pauses begin and not when they end. A minute is far longer than the
time between two attempts, so that a peer that denies every name cannot end them.
"""

FRUITLESS_PERIOD = 60.0
"""Probing for this long without finding a free name is reported as an error (RFC 6762 §9)."""

ANNOUNCEMENTS = 2
"""Unsolicited responses after a claim or a change; at least this many (RFC 6762 §8.3)."""

MAX_ANNOUNCEMENTS = 8
"""The most unsolicited responses that may be asked for (RFC 6762 §8.3)."""

ANNOUNCE_INTERVAL = 1.0
"""Between the first two announcements; doubled after each further one (RFC 6762 §8.3)."""

UPDATE_LIMIT = 10
"""Updates of one record group within `UPDATE_PERIOD` (RFC 6762 §8.4)."""

UPDATE_PERIOD = 60.0
"""The period in which updates are counted (RFC 6762 §8.4)."""

ECHO_MEMORY = 10.0
"""How long a record that we have withdrawn or replaced is still recognised as our own.

Our choice: reflectors and bridges give a packet back within a fraction of a second; a host that really took
over our data loses nothing when it is noticed this much later.
"""

# Time to live

HOST_TTL = 120
"""TTL of records with a host name as owner or in the rdata (RFC 6762 §10)."""

OTHER_TTL = 4500
"""TTL of all other records, 75 minutes (RFC 6762 §10)."""

# Querying and cache

FIRST_QUERY_DELAY = (0.020, 0.120)
"""Random delay of the first query of a series (RFC 6762 §5.2)."""

FIRST_QUERY_INTERVAL = 1.0
"""Between the first two queries of a series, at least (RFC 6762 §5.2)."""

QUERY_INTERVAL_GROWTH = 2
"""Each interval is at least this many times as long as the one before (RFC 6762 §5.2)."""

QUESTION_INTERVAL = 1.0
"""Between two queries with the same question, whatever the reason for asking.

Our choice: RFC 6762 §5.2 says it of one series of questions, but the answers to one question serve all who
wait for them, and no record is multicast twice in a second (§6).
"""

MAX_QUERY_INTERVAL = 3600.0
"""Where the interval stops to grow (RFC 6762 §5.2)."""

QUERY_SLACK = 0.050
"""How much longer than its interval a repeated question waits, so that it can leave with others that are due.

Our choice: nobody notices it in an interval of a second or more, and a timer that fires a little early or a
network that delays one packet and not the next cannot make an interval look shorter than it must be.
"""

REFRESH_POINTS = (0.80, 0.85, 0.90, 0.95)
"""Parts of the TTL after which a record that is wanted here is asked for again (RFC 6762 §5.2)."""

REFRESH_VARIATION = 0.02
"""Up to this part of the TTL is added to each of these, at random (RFC 6762 §5.2)."""

REFRESH_SPACING = 1.0
"""Between two refresh queries for one question.

Our choice: a responder does not multicast a record twice in a second (RFC 6762 §6), so with TTLs below
twenty seconds some of the four queries would be for nothing. One that would come too soon, since the one
before was late, is put off within its window of two per cent.
"""

REFRESH_GRID = 1.0
"""Refresh queries leave at multiples of this, so that they share packets; of half, a quarter and so on of it
where a TTL leaves less room.

Our choice: a thousand SRV records of TTL 120 fall due within 2.4 s; in three steps they fill their packets.
"""

UNICAST_RESPONSE_PERIOD = 2.0
"""How long after a QU question a unicast response is accepted (RFC 6762 §6)."""

ACTIVATION_PERIOD = 1.0
"""Questions asked within this after a link came up count as active at that moment (RFC 6762 §5.4).

They are QU at first. Our choice: the RFC means a program that starts browsing when it starts, and a second is
enough for it to do so.
"""

GOODBYE_DELAY = 1.0
"""How much later a record with TTL 0 leaves the cache (RFC 6762 §10.1)."""

FLUSH_AGE = 1.0
"""The cache-flush bit ends records that were received longer ago than this (RFC 6762 §10.2)."""

FLUSH_DELAY = 1.0
"""How much later these records leave the cache (RFC 6762 §10.2)."""

RECONFIRM_PERIOD = 10.0
"""A record that is reconfirmed, and that nobody sends within this, is flushed (RFC 6762 §10.4, §10.5)."""

RECONFIRM_DELAYS = (1.0, 2.0, 4.0)
"""Between the queries for a record that is reconfirmed; two queries or more are needed (RFC 6762 §10.4).

Our choice: as in a new series, so four queries fit in before the ten seconds end.
"""

RECONFIRM_QUERIES = 2
"""Queries without an answer after which a record that is reconfirmed is flushed, at least (RFC 6762
§10.4)."""

OBSERVED_QUERIES = 2
"""Unanswered queries of other hosts after which a record is taken for wrong (RFC 6762 §10.5)."""

OBSERVATION_PERIOD = 60.0
"""An unanswered query longer ago than this no longer counts.

Our choice: two packets that were lost an hour apart say nothing of the record. Hosts that look for something
ask three times within four seconds.
"""

OBSERVATION_REST = 60.0
"""How long we do not ask for a record that was flushed because others asked for it in vain.

Our choice: RFC 6762 §10.5 wants no query to see whether it is really gone, and an answer to the queries of
others is heard anyway.
"""

ONE_SHOT_TIMEOUT = 2.5
"""How long a one-shot query waits for its answer: "two or three seconds" (RFC 6762 §5.1)."""
