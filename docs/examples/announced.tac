r"""A server that is announced because its endpoint string says so: twistd -y announced.tac

Nothing else here knows of multicast DNS. Others find "Docs", or fetch http://docs.local:8080/.
"""

from twisted.application.service import Application
from twisted.application.strports import service
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data

LISTEN = r"mdns:_http._tcp:name=Docs:hostname=docs:txt=path=/:endpoint=tcp\:8080"

root = Resource()
root.putChild(b"", Data(b"hello from docs\n", "text/plain"))

application = Application("docs")
service(LISTEN, Site(root)).setServiceParent(application)
