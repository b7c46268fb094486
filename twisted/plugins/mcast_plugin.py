"""What `twist` and the endpoint parsers find of mcast; imported whenever anybody lists plugins."""

from twisted.application.service import ServiceMaker

mcast = ServiceMaker(
    "mcast", "mcast.tap", "Answer multicast groups: an echo responder, multicast DNS", "mcast"
)
