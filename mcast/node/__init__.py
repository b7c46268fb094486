"""A host on all its links, on the reactor: what it publishes and what it finds."""
