"""A web server that is found by its name: the pages of this folder, on whichever port is free."""

from twisted.internet import reactor
from twisted.web.server import Site
from twisted.web.static import File

from mcast import Node, Service

port = reactor.listenTCP(0, Site(File(".")))
node = Node(reactor)
node.startService()  # says goodbye when the reactor stops
registration = node.publish(Service("My Web", "_http._tcp", port.getHost().port, txt={"path": "/"}))
registration.when_claimed().addCallback(lambda claimed: print("published as", claimed.name, flush=True))
reactor.run()
