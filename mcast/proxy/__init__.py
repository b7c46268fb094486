"""Beyond one link, on the reactor: the Discovery Proxy with DNS Push (RFC 8766, 8765), export and bridge.

It joins `mcast.unicast`, which decides, to a `mcast.node.node.Node`, which knows the links.
"""
