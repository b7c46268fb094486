"""A local network made of objects, on a clock that a test turns, for our tests and for those of our users.

::

    lan = SimulatedLan()
    kitchen, hall = lan.host("kitchen"), lan.host("hall")
    node = Node(lan.clock, network=kitchen, hostname=kitchen.name, rng=kitchen.rng)
    lan.result(node.startService())
    ...
    lan.advance(3600)                     # an hour of protocol, in a moment
    lan.link().loss = 0.3                 # bad radio
    kitchen.interface().unplug()
    [packet.message for packet in lan.packets.sent_by("kitchen")]

Codecs and protocols are the real ones; only sockets, interfaces and time are made up. What is random comes
from one seed, so that a failure comes again.
"""

from mcast.testing.captures import Capture, Packet
from mcast.testing.hosts import SimulatedHost, SimulatedInterface
from mcast.testing.lan import SimulatedLan
from mcast.testing.links import LinkConditions, SimulatedLink
from mcast.testing.listeners import MemoryListener
from mcast.testing.ports import SimulatedPort
from mcast.testing.transports import MemoryPort

__all__ = [
    "Capture",
    "LinkConditions",
    "MemoryListener",
    "MemoryPort",
    "Packet",
    "SimulatedHost",
    "SimulatedInterface",
    "SimulatedLan",
    "SimulatedLink",
    "SimulatedPort",
]
