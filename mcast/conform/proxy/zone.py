"""What a zone of a Discovery Proxy says of itself (RFC 8766 §6)."""

from __future__ import annotations

import struct

from mcast.conform.bench import Bench
from mcast.conform.proxy.catalogue import PROXY
from mcast.conform.proxy.clients import (
    AT_ONCE,
    THE_HOST_ZONE,
    THE_ZONE,
    TLS_PORT,
    ask,
    connect,
    in_zone,
    proxy_up,
)
from mcast.conform.verdicts import Judge, NotRunError, must, rule, should
from mcast.dns.codes import RecordType
from mcast.dns.reading import read_name

AUTHORITATIVE, RECURSION_AVAILABLE = 0x0400, 0x0080

APEX = must(
    "zone.apex-at-once",
    "P-6.3-1",
    "RFC 8766 §6.3",
    "Questions at the apex of a zone are not for the link, and are answered at once.",
    "A response to SOA, NS and TXT at the apex within 2.5 seconds.",
)
SERIAL = must(
    "zone.serial",
    "P-6.1-3",
    "RFC 8766 §6.1",
    "A zone that is made up from what is heard has no versions.",
    "SERIAL 0 in the SOA record.",
)
TIMERS = should(
    "zone.timers",
    "P-6.1-4 P-6.1-5",
    "RFC 8766 §6.1",
    "The timers of the SOA record are those that the section recommends.",
    "REFRESH 7200, RETRY 3600, EXPIRE 86400, MINIMUM 10.",
)
MNAME = should(
    "zone.mname",
    "P-6.1-1",
    "RFC 8766 §6.1",
    "MNAME is the name of the proxy, as in its NS record.",
    "MNAME among the targets of the NS records.",
)
NAME_SERVERS = must(
    "zone.name-servers",
    "P-6.2-2 P-6.2-3",
    "RFC 8766 §6.2",
    "A zone names the proxies that serve it, by names outside of what proxies serve.",
    "At least one NS record, with no target in a zone of the proxy.",
)
BELOW = must(
    "zone.no-cut-below",
    "P-6.3-2",
    "RFC 8766 §6.3",
    "There is no zone below the apex.",
    "An empty NOERROR response within 2.5 seconds to SOA, NS and DS of a name below.",
)
NO_LLQ = must(
    "zone.no-llq",
    "P-6.4-2 P-6.4-4",
    "RFC 8766 §6.4",
    "Names by which clients look for services of the server are answered at once, whatever is on the link.",
    "An empty NOERROR response within 2.5 seconds to SRV of _dns-llq._udp and _dns-update._udp.",
    "A proxy with Long-Lived Queries may answer for _dns-llq: that is not judged here.",
)
HEADER = rule(
    "zone.header",
    "P-5.1-2",
    "RFC 8766 §5.1",
    "A proxy answers as an authoritative server of its zones does, and is no resolver.",
    "AA set and RA clear in the responses to SOA, NS and TXT at the apex.",
)


@PROXY.scenario(
    "zone/apex",
    *(APEX, HEADER, SERIAL, TIMERS, MNAME, NAME_SERVERS),
    sends="SOA, NS and TXT of each zone.",
    seconds=8,
)
async def apex(bench: Bench, judge: Judge) -> None:
    """Ask for what stands at the apex."""
    await proxy_up(bench)
    for zone in (THE_ZONE, THE_HOST_ZONE):
        soa = await ask(bench, zone, RecordType.SOA)
        servers = await ask(bench, zone, RecordType.NS)
        nothing = await ask(bench, zone, RecordType.TXT)
        for one in (soa, servers, nothing):
            judge.decide(APEX, one.delay < AT_ONCE, f"{zone}: {one.said}", one.packets)
            if one.reply is not None:
                flags = one.message.flags
                good = flags & AUTHORITATIVE and not flags & RECURSION_AVAILABLE
                judge.decide(HEADER, bool(good), f"{zone}: flags {flags:#06x}", one.packets)
        targets = [each.data for each in servers.records(RecordType.NS)]
        outside = all(not str(each).endswith((str(THE_ZONE), str(THE_HOST_ZONE))) for each in targets)
        said = f"{zone}: NS {', '.join(map(str, targets)) or 'none'}"
        judge.decide(NAME_SERVERS, bool(targets) and outside, said, servers.packets)
        for record in soa.records(RecordType.SOA):
            serial, *timers = struct.unpack("!5I", record.rdata[-20:])
            mname, _ = read_name(record.rdata, 0, {})
            judge.decide(SERIAL, serial == 0, f"{zone}: serial {serial}", soa.packets)
            said = f"{zone}: {' '.join(map(str, timers))}"
            judge.decide(TIMERS, timers == [7200, 3600, 86400, 10], said, soa.packets)
            judge.decide(MNAME, mname in targets, f"{zone}: {mname}", (*soa.packets, *servers.packets))


@PROXY.scenario(
    "zone/below",
    *(BELOW, NO_LLQ),
    sends="SOA, NS and DS of a name below the apex; SRV of administrative names.",
    seconds=8,
)
async def below(bench: Bench, judge: Judge) -> None:
    """Ask for what is not there, and not on the link either."""
    await proxy_up(bench)
    for rtype in (RecordType.SOA, RecordType.NS, RecordType.DS):
        one = await ask(bench, in_zone("below"), rtype)
        judge.decide(BELOW, one.is_negative and one.delay < AT_ONCE, one.said, one.packets)
    for service, proto in (("_dns-llq", "_udp"), ("_dns-update", "_udp"), ("_dns-update-tls", "_tcp")):
        one = await ask(bench, in_zone(service, proto), RecordType.SRV)
        if service == "_dns-llq" and one.records(RecordType.SRV):
            continue
        said = f"{service}.{proto}: {one.said}"
        judge.decide(NO_LLQ, one.is_negative and one.delay < AT_ONCE, said, one.packets)


PUSH_SERVICE = must(
    "zone.push-service",
    "P-6.4-3 H-6.1-3",
    "RFC 8766 §6.4",
    "Clients find out by an SRV record whether and where there are subscriptions.",
    "Within 2.5 seconds, SRV of _dns-push-tls._tcp with the port 853 and a target outside of the zones, "
    "where TLS is there; an empty NOERROR response where it is not.",
)


@PROXY.scenario(
    "zone/push-service",
    PUSH_SERVICE,
    sends="SRV of _dns-push-tls._tcp in the zone; a connection by TLS.",
    seconds=3,
)
async def push_service(bench: Bench, judge: Judge) -> None:
    """Ask where there are subscriptions."""
    await proxy_up(bench)
    one = await ask(bench, in_zone("_dns-push-tls", "_tcp"), RecordType.SRV)
    found = [each.data for each in one.records(RecordType.SRV)]
    try:
        (await connect(bench, tls=True)).close()
        has_tls = True
    except NotRunError:
        has_tls = False
    good = bool(found) if has_tls else one.is_negative
    for data in found:
        target, port = getattr(data, "target", None), getattr(data, "port", 0)
        outside = not str(target).endswith((str(THE_ZONE), str(THE_HOST_ZONE)))
        good = good and port == TLS_PORT and outside
    said = f"{one.said}; {'TLS' if has_tls else 'no TLS'} at port {TLS_PORT}"
    judge.decide(PUSH_SERVICE, good and one.delay < AT_ONCE, said, one.packets)
