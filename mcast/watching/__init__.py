"""Feeds the model of `mcast.live` from a node, and hands its deltas to whoever shows them."""
