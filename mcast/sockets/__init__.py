"""Multicast sockets: groups, interfaces, options and ports. Imports Twisted, knows no DNS."""
