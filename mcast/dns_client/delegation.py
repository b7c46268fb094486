"""What is wrong with a domain for DNS-SD: its delegation, servers and records (RFC 6763 §11, RFC 8766 §6)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from mcast.dns.codes import RecordType, ResponseCode
from mcast.dns.messages import Message, Question
from mcast.dns.names import Name
from mcast.dns.records import Record, ServiceData
from mcast.dns_client.client import DnsClient
from mcast.dnssd.enumeration import DomainList
from mcast.dnssd.instances import InstanceName
from mcast.dnssd.types import type_enumeration_name
from mcast.errors import InvalidService, NotFound
from mcast.mdns.domains import is_multicast_name
from mcast.unicast.exchange import Manner, Reply
from mcast.unicast.replies import Verdict, read_answer, show_rcode
from mcast.unicast.servers import ServerAddress

SERVER_TIMEOUT = 3.0
"""Seconds that a server is given to answer for the records that it must have at once.

Our choice: three tries; a Discovery Proxy answers for its administrative records at once (RFC 8766 §6).
"""

MAX_NAME_SERVERS = 8
"""Name servers, and addresses of each, that are looked at. Our choice: more than any such domain has."""

MAX_TYPES = 32
"""Service types that are looked at. Our choice: enough to find out how the zone was written."""

MAX_INSTANCES = 16
"""Instances of one type that are looked at. Our choice: as `MAX_TYPES`."""

MAX_HOSTS = 8
"""Hosts of services that are looked for. Our choice: enough to find a zone that is not delegated."""

DIRECT: Final = Manner(recursive=False, raw=True)
BY_TCP: Final = Manner(recursive=False, raw=True, by_stream=True)

_ESCAPED: Final = re.compile(rb"\\(?:[0-9]{3}|[. \\])")
"""What zone files write for a blank or a dot, as it stands in a label that was escaped twice."""


class Level(Enum):
    """How bad a finding is."""

    GOOD = "good"
    """It is as it should be."""
    NOTE = "note"
    """Nothing is wrong, though it could be better."""
    WRONG = "wrong"
    """It keeps people from finding services."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found."""

    level: Level
    subject: str
    """The name or server that it is about."""
    what: str
    mend: str = ""
    """What to do about it."""

    def __str__(self) -> str:
        return f"{self.subject}: {self.what}" + (f"; {self.mend}" if self.mend else "")


class TriesPush(Protocol):
    """What tries a server of DNS Push; see `mcast.dns_client.push_check.PushCheck`."""

    async def trouble(self, host: str, port: int, zone: Name) -> str | None:
        """Return why a server does not push a zone, in one line; None when it does."""


class DelegationCheck:
    """Walks from the parent zone of a domain to its services.

    :param resolvers: servers that find what is outside of the domain: those of the system, or the named one.
    :param tell: called with each finding.
    :param push: tries servers of DNS Push; None where that cannot be done.
    """

    def __init__(
        self,
        client: DnsClient,
        domain: Name,
        resolvers: Sequence[ServerAddress],
        tell: Callable[[Finding], object],
        push: TriesPush | None = None,
    ) -> None:
        self._client: Final = client
        self._domain: Final = domain
        self._resolvers: Final = resolvers
        self._tell: Final = tell
        self._push: Final = push
        self._working: list[ServerAddress] = []
        """Servers that answer for the domain with authority."""
        self._hosts: dict[Name, Name] = {}
        """The hosts of services, each with the name of one."""

    async def run(self) -> bool:
        """Walk; return whether all is well.

        :raises NotFound: nothing can be said, since no server answers at all.
        """
        self.is_well = True
        servers = await self._name_servers()
        for host, addresses in servers.items():
            if not addresses:
                self._wrong(str(host), "it has no address", f"add an A or AAAA record of {host}")
            for one in addresses:
                await self._look_at_server(host, one)
        if not self._working:
            if servers:
                self._wrong(str(self._domain), "none of its servers answers for it", "mend one of them first")
            return self.is_well
        await self._look_at_push()
        for which in (DomainList.BROWSING, DomainList.LEGACY_BROWSING):
            await self._look_at_list(which)
        await self._look_at_services()
        for host, instance in self._hosts.items():
            await self._look_at_host(host, instance)
        return self.is_well

    # The delegation

    async def _name_servers(self) -> dict[Name, list[ServerAddress]]:
        """Return the servers to which the parent zone delegates, each with its addresses."""
        zone, parents = await self._parent()
        reply, is_of_parent = await self._ask_any(parents, self._domain, RecordType.NS)
        message = reply.message
        found = _of(message.answers, self._domain, RecordType.NS) or _of(
            message.authorities, self._domain, RecordType.NS
        )
        where = str(self._domain)
        if found:
            hosts = [one.data for one in found if isinstance(one.data, Name)][:MAX_NAME_SERVERS]
            by = f"delegated by {zone} to" if is_of_parent else f"{reply.server} says that its servers are"
            self._good(where, f"{by} {', '.join(map(str, hosts))}")
            if not is_of_parent:
                self._note(
                    str(zone),
                    "no server of this zone was reached, so that nobody has said whether it delegates",
                    "where others do not find the domain, check again from a network that reaches it",
                )
            return {host: await self._addresses(host, message) for host in hosts}
        if message.rcode == ResponseCode.NXDOMAIN:
            self._wrong(
                where,
                f"no such domain, says {f'the zone {zone}' if is_of_parent else reply.server}",
                f"add NS records of {where} to {zone}, or the services themselves",
            )
            return {}
        if message.rcode != ResponseCode.NOERROR:
            self._wrong(where, f"{reply.server} says {show_rcode(message.rcode)}", f"look at the zone {zone}")
            return {}
        self._note(
            where,
            f"no NS records: it is a part of the zone {zone}, whose servers are asked",
            f"a Discovery Proxy for it needs a delegation: add NS records of {where} to {zone}",
        )
        return {zone: list(parents or self._resolvers)}

    async def _parent(self) -> tuple[Name, Sequence[ServerAddress]]:
        """Return the closest zone above the domain, and addresses of its servers; none where nobody tells."""
        name = self._domain.parent if self._domain.labels else self._domain
        while True:
            try:
                answer, reply = await self._client.look_up(
                    name, RecordType.SOA, self._resolvers, timeout=SERVER_TIMEOUT
                )
            except NotFound:
                # A server that knows its own zones only: it is asked for the domain itself.
                return name, ()
            soas = [
                *answer.records,
                *(one for one in reply.message.authorities if one.type == RecordType.SOA),
            ]
            if soas or not name.labels:
                break
            name = name.parent
        zone = soas[0].name if soas else name
        addresses: list[ServerAddress] = []
        for host in await self._names(zone, RecordType.NS):
            addresses += await self._addresses(host, reply.message)
        return zone, addresses[:MAX_NAME_SERVERS]

    async def _names(self, name: Name, rtype: int) -> list[Name]:
        try:
            answer, _ = await self._client.look_up(name, rtype, self._resolvers, timeout=SERVER_TIMEOUT)
        except NotFound:
            return []
        return [one.data for one in answer.records if isinstance(one.data, Name)]

    async def _addresses(self, host: Name, message: Message) -> list[ServerAddress]:
        """Return the addresses of a name server: what came with the delegation, or what its zone says."""
        found: list[Record] = []
        for rtype in (RecordType.A, RecordType.AAAA):
            records: Iterable[Record] = _of(message.additionals, host, rtype)
            if not records:
                try:
                    answer, _ = await self._client.look_up(
                        host, rtype, self._resolvers, timeout=SERVER_TIMEOUT
                    )
                    records = answer.records
                except NotFound:
                    continue
            found += records
        port = self._resolvers[0].port if self._resolvers else 53
        return [ServerAddress(str(one.data), port) for one in found][:MAX_NAME_SERVERS]

    async def _ask_any(self, servers: Sequence[ServerAddress], name: Name, rtype: int) -> tuple[Reply, bool]:
        """Ask servers of the parent zone, or who knows it, for what they say themselves.

        :returns: what was said, and whether a server of the parent zone has said it.
        """
        question = Question(name, rtype)
        try:
            if servers:
                reply = await self._client.ask(question, servers, timeout=SERVER_TIMEOUT, manner=DIRECT)
                return reply, True
        except NotFound:
            pass
        return await self._client.ask(question, self._resolvers, timeout=SERVER_TIMEOUT), False

    # One server

    async def _look_at_server(self, host: Name, server: ServerAddress) -> None:
        where = f"{host} ({server})"
        question = Question(self._domain, RecordType.SOA)
        answers = heard = False
        for manner, how in ((DIRECT, "UDP"), (BY_TCP, "TCP")):
            try:
                reply = await self._client.ask(question, [server], timeout=SERVER_TIMEOUT, manner=manner)
            except NotFound as error:
                cause = error.reason.partition(": ")[2] or error.reason
                self._wrong(
                    where,
                    f"does not answer by {how} ({cause})",
                    f"start it, have it listen there, and let {how} port {server.port} through to it",
                )
                continue
            if not heard:
                # It says the same by both, so that it is told once.
                heard, answers = True, self._look_at_soa(where, reply)
        if answers and server not in self._working:
            self._working.append(server)

    def _look_at_soa(self, where: str, reply: Reply) -> bool:
        """Look at what a server says of the zone; return whether it answers for it."""
        message = reply.message
        remove = f"have it serve the zone {self._domain}, or take it out of the NS records"
        if message.rcode not in (ResponseCode.NOERROR, ResponseCode.NXDOMAIN):
            self._wrong(where, f"is lame: it says {show_rcode(message.rcode)}", remove)
            return False
        if not message.authoritative:
            self._wrong(where, "is lame: it answers without authority (AA)", remove)
            return False
        if _of(message.answers, self._domain, RecordType.SOA):
            self._good(where, f"answers for {self._domain}")
        elif any(one.type == RecordType.SOA for one in message.authorities):
            # The domain is a part of a zone that this server has.
            self._good(where, f"answers for {self._domain}, within its zone {message.authorities[0].name}")
        else:
            self._wrong(where, "has no SOA record", f"add a SOA record of {self._domain} (RFC 8766 §6.1)")
        return True

    # The records

    async def _records(self, name: Name, rtype: int) -> list[Record] | None:
        """Return the records of a name; None when no server answers."""
        try:
            # A Discovery Proxy may need six seconds for what is on its link (RFC 8766 §5.6).
            reply = await self._client.ask(
                Question(name, rtype), self._working, manner=Manner(recursive=False)
            )
        except NotFound as error:
            self._wrong(str(name), f"asked in vain ({error.reason})", "see the log of the server")
            return None
        answer = read_answer(reply.message, Question(name, rtype))
        return list(answer.records) if answer.verdict in (Verdict.ANSWERED, Verdict.DENIED) else []

    async def _look_at_push(self) -> None:
        name = Name.from_labels((b"_dns-push-tls", b"_tcp", *self._domain.labels))
        records = await self._records(name, RecordType.SRV)
        known = [one for one in records or () if isinstance(one.data, ServiceData)]
        # A root as the target says that there is no such service (RFC 2782).
        offers = [one for one in known if one.rdata[6:] != b"\0"]
        for one in offers[:MAX_NAME_SERVERS]:
            await self._try_push(str(name), one)
        if records is not None and not offers:
            self._note(
                str(name),
                "no SRV record: clients ask again and again in place of being told (RFC 8765 §6.1)",
                "have the server push, or leave it so",
            )

    async def _try_push(self, name: str, record: Record) -> None:
        """See that a server takes subscriptions: TLS, a certificate for its name, DSO (RFC 8765 §6, §7)."""
        assert isinstance(record.data, ServiceData)
        host, port = str(record.data.target).removesuffix("."), record.data.port
        if self._push is None:
            self._note(
                name,
                f"says that {host} port {port} pushes changes, which was not tried",
                "install txmcast[tls] to have it tried",
            )
            return
        trouble = await self._push.trouble(host, port, self._domain)
        if trouble is None:
            self._good(name, f"{host} port {port} pushes changes")
        else:
            self._wrong(
                name,
                f"{host} port {port} does not push: {trouble}",
                f"let TCP port {port} through; its certificate must be for {host}, and by an authority that "
                "clients trust, or are told of by --tls-ca",
            )

    async def _look_at_list(self, which: DomainList) -> None:
        name = which.in_domain(self._domain)
        records = await self._records(name, RecordType.PTR)
        if records is None:
            return
        targets = [one.data for one in records if isinstance(one.data, Name)]
        if not targets:
            self._wrong(
                str(name),
                "no PTR record: nobody is told to browse here (RFC 6763 §11)",
                f"add: {name} PTR {self._domain}",
            )
            return
        for target in targets:
            self._look_at_escapes(target)
        self._good(str(name), f"tells to browse {', '.join(map(str, targets))}")

    async def _look_at_services(self) -> None:
        name = type_enumeration_name(self._domain)
        records = await self._records(name, RecordType.PTR)
        if records is None:
            return
        types = [one.data for one in records if isinstance(one.data, Name)]
        if not types:
            self._note(
                str(name),
                "no PTR record: no service type is listed (RFC 6763 §9)",
                f"for each type of the zone add: {name} PTR _http._tcp.{self._domain}",
            )
        for one in types[:MAX_TYPES]:
            await self._look_at_type(one)

    async def _look_at_type(self, listing: Name) -> None:
        records = await self._records(listing, RecordType.PTR)
        if records is None:
            return
        instances = [one.data for one in records if isinstance(one.data, Name)]
        if not instances:
            self._wrong(
                str(listing),
                "listed as a type, and no PTR record leads to a service",
                f"add: {listing} PTR NAME.{listing}, or take the type out of the list",
            )
            return
        self._good(str(listing), f"{len(instances)} service{'s' * (len(instances) != 1)}")
        for instance in instances[:MAX_INSTANCES]:
            if not self._look_at_escapes(instance):
                await self._look_at_instance(instance)

    def _look_at_escapes(self, name: Name) -> bool:
        """Tell of a label with the escapes of zone files in it; return whether there is one."""
        for label in name.labels:
            found = _ESCAPED.search(label)
            if found:
                literal = found[0].decode()
                self._wrong(
                    str(name),
                    f"a label holds the characters {literal} themselves: it was escaped twice",
                    f"write {literal} in a zone file alone, and the plain character elsewhere",
                )
                return True
        return False

    async def _look_at_instance(self, instance: Name) -> None:
        try:
            InstanceName.from_name(instance)
        except InvalidService as error:
            self._wrong(str(instance), f"no name of a service ({error.reason})", "write NAME.TYPE.DOMAIN")
            return
        services = await self._records(instance, RecordType.SRV)
        if services is not None and not services:
            self._wrong(
                str(instance), "no SRV record: nobody can reach it", "add one, or remove its PTR record"
            )
        for record in services or ():
            if not isinstance(record.data, ServiceData):
                continue
            if is_multicast_name(record.data.target):
                self._wrong(
                    str(instance),
                    f"is on {record.data.target}, which no DNS server can tell of",
                    "name its host in a DNS domain",
                )
            elif record.data.target.labels and len(self._hosts) < MAX_HOSTS:
                self._hosts.setdefault(record.data.target, instance)
        texts = await self._records(instance, RecordType.TXT)
        if texts is not None and not texts:
            self._wrong(str(instance), "no TXT record, which each service has (RFC 6763 §6)", 'add: TXT ""')

    async def _look_at_host(self, host: Name, instance: Name) -> None:
        """See that clients find the host of a service, which may be in another zone (RFC 8766 §5.5)."""
        for rtype in (RecordType.A, RecordType.AAAA):
            try:
                answer, reply = await self._client.look_up(host, rtype, self._resolvers)
            except NotFound as error:
                self._wrong(str(host), f"asked in vain ({error.reason})", f"look at the zone of {host}")
                return
            if answer.records:
                return
            if reply.message.rcode != ResponseCode.NOERROR:
                said = show_rcode(reply.message.rcode)
                self._wrong(
                    str(host),
                    f"no address for {instance}: {reply.server} says {said}",
                    f"delegate the zone of the hosts, {host.parent}, as well",
                )
                return
        self._wrong(
            str(host),
            f"no address for {instance}",
            "give it one; a Discovery Proxy leaves out those that are link-local",
        )

    def _good(self, subject: str, what: str) -> None:
        self._tell(Finding(Level.GOOD, subject, what))

    def _note(self, subject: str, what: str, mend: str) -> None:
        self._tell(Finding(Level.NOTE, subject, what, mend))

    def _wrong(self, subject: str, what: str, mend: str) -> None:
        self.is_well = False
        self._tell(Finding(Level.WRONG, subject, what, mend))


def _of(records: Iterable[Record], name: Name, rtype: int) -> list[Record]:
    return [one for one in records if one.name == name and one.type == rtype]
