"""`mcast top`: what is on the network, in the terminal.

`program` is the screen without a terminal: it takes keys and returns lines with styles. `views` are its
tables, of the state in `data`, which `watching` keeps up to date from the network and `recorded` from a file.
`terminal` is the one module that imports urwid.
"""
