"""The conformance runner: scenarios that judge another implementation by the packets it sends.

It may import ``mcast.dns`` and ``mcast.sockets``, and nothing of our own Multicast DNS: a fault of ours must
not hide one of theirs.

A role is a `Catalogue` (`scenarios`), which the modules of its folder fill: checks as data, made by `must`
and `should` (`verdicts`), and coroutines that play a scenario at a `Bench` and tell a `Judge` what they saw.
A further role is entered in `runs.CATALOGUES`; what starts its subjects is a `Preset` (`presets`), and a
subject that can do more than start and stop gets further members of `Action` (`subjects`).
"""
