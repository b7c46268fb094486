"""Whether a server of DNS Push does what its SRV record promises (RFC 8765)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twisted.internet.defer import Deferred

from mcast.clock import clock_of
from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.names import Name
from mcast.dns_client.client import DnsClient
from mcast.dns_client.push import Connect, PushConnections, PushTarget
from mcast.errors import NotFound
from mcast.unicast.push import Topic
from mcast.unicast.servers import ServerAddress

CHECK_TIMEOUT = 12.0
"""Seconds that a server is given to accept a subscription.

Our choice: a little more than a connection may take (`mcast.dns_client.push_stream.CONNECT_TIMEOUT`).
"""


class PushCheck:
    """Connects to servers of DNS Push by TLS, and subscribes there for a moment.

    :param servers: whom to ask for the addresses of these servers.
    :param authorities: a file of certificates of those who may vouch for them; the system's by default.
    :param connect: opens connections; for tests.
    :raises ValueError: the file cannot be used.
    """

    def __init__(
        self,
        client: DnsClient,
        servers: Sequence[ServerAddress],
        authorities: str | None = None,
        connect: Connect | None = None,
    ) -> None:
        self._client: Final = client
        self._servers: Final = servers
        self._clock: Final = clock_of(client.reactor)
        self._pushes: Final = PushConnections(
            client.reactor, self._addresses, authorities, client.rng, connect=connect
        )

    async def trouble(self, host: str, port: int, zone: Name) -> str | None:
        """Return why a server does not push a zone, in one line; None when it does.

        :param host: the name that its certificate must have, without a final dot.
        """
        told: Deferred[str | None] = Deferred()

        def state(reason: str | None) -> None:
            if not told.called:
                told.callback(reason)

        # The SOA record is known to the server itself: no link is asked for it.
        topic = Topic(zone, RecordType.SOA, RecordClass.IN)
        cancel = self._pushes.subscribe(PushTarget(host, port, zone), topic, lambda *_: None, state)
        late = self._clock.callLater(CHECK_TIMEOUT, state, f"no subscription within {CHECK_TIMEOUT:g} s")
        try:
            return await told
        finally:
            if late.active():
                late.cancel()
            cancel()

    def close(self) -> Deferred[None]:
        """Close all connections; fires when that is done."""
        return self._pushes.close()

    async def _addresses(self, host: str) -> Sequence[str]:
        found: list[str] = []
        for rtype in (RecordType.AAAA, RecordType.A):
            try:
                answer, _ = await self._client.look_up(Name.parse(host), rtype, self._servers)
            except NotFound:
                continue
            found += [str(record.data) for record in answer.records]
        return found
