"""What `twist` and endpoint strings find of mcast; imported whenever anybody lists plugins."""

from twisted.application.service import ServiceMaker

from mcast.endpoints.parsers import ClientParser, ServerParser

mcast = ServiceMaker(
    "mcast", "mcast.tap.tap", "Answer multicast groups: an echo responder, multicast DNS", "mcast"
)
mdns_server = ServerParser()
mdns_client = ClientParser()
