"""From datagrams to the model: each is decoded once, looked at by the linter of its link, and fed."""

from __future__ import annotations

from mcast.dns.messages import Message, decode
from mcast.dnssd.link_id import LinkId
from mcast.errors import MalformedMessage
from mcast.live.limits import MAX_LINKS
from mcast.live.model import Heard, Model
from mcast.mdns.constants import MDNS_PORT
from mcast.mdns.lint import Linter


class Hearing:
    """Feeds a model with the datagrams of port 5353."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._linters: dict[LinkId, Linter] = {}

    def datagram(
        self, payload: bytes, source: tuple[str, int], link: LinkId, now: float, *, multicast: bool = True
    ) -> Message | None:
        """Take in a datagram that was heard; return what it is, None when it is no DNS message.

        :param source: address and port; the zone of a link-local address may be missing.
        :param multicast: whether it was sent to the group; only these are looked at for breaches.
        """
        address, port = source
        if address.startswith("fe80:") and "%" not in address:
            address = f"{address}%{link.interface}"
        message: Message | None
        try:
            message = decode(payload)
        except MalformedMessage:
            message = None
        host = self._model.packet(Heard(payload, address, link, message), now)
        if message is None or not multicast or not (message.is_response or port == MDNS_PORT):
            return message
        linter = self._linters.get(link)
        if linter is None:
            if len(self._linters) >= MAX_LINKS:
                self._linters.clear()
            linter = self._linters[link] = Linter(ipv6=link.ipv6)
        for breach in linter.examine(message, len(payload), address, port, now):
            # Said of another host than the sender only where a linter compares packets.
            blamed = host if breach.source == address else self._model.hosts.at(breach.source)
            if blamed is not None:
                self._model.breach(breach, blamed, now)
        return message
