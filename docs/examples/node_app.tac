"""A Node as a service of an application: twistd -y node_app.tac, and it goes into the background.

Nothing is opened before the service starts, so there is nothing that twistd's fork could break.
"""

from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data

from mcast import Node, Service

PORT = 8080

application = Application("a discoverable web server")
root = Resource()
root.putChild(b"", Data(b"hello from twistd\n", "text/plain"))
StreamServerEndpointService(TCP4ServerEndpoint(reactor, PORT), Site(root)).setServiceParent(application)
node = Node(reactor)
node.setServiceParent(application)
node.publish(Service("Daemon", "_http._tcp", PORT))
