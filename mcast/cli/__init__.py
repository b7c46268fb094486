"""The mcast command."""
