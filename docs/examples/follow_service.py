"""Stay connected to a service wherever it is: python follow_service.py "mdns:_greet._tcp:name=Greeter"

When the service moves to another port or address, the connection is closed and made anew there.
"""

from __future__ import annotations

import sys

from twisted.application.internet import ClientService
from twisted.internet import reactor
from twisted.internet.endpoints import clientFromString
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver


class Listener(LineReceiver):
    """Prints what the server says."""

    delimiter = b"\n"

    def lineReceived(self, line: bytes) -> None:
        print(line.decode("utf-8", "replace"), flush=True)


service = ClientService(clientFromString(reactor, sys.argv[1]), Factory.forProtocol(Listener))
service.startService()
reactor.run()  # type: ignore[attr-defined]  # the reactor module is one
