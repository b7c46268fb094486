"""The `mcast` command; each sub-command is a module of its own, imported only when it is used.

A sub-command is a line in `COMMANDS` and a module with two functions::

    def configure(parser: argparse.ArgumentParser) -> None      # its arguments; "--json" is there already
    async def run(reactor, arguments, output: Output) -> int    # the exit status

See `mcast.cli.command` for what they share.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

COMMANDS = {
    "ping": ("mcast.cli.ping", "find out who answers on a group, and how fast"),
    "listen": ("mcast.cli.listen", "join groups and print what arrives"),
    "send": ("mcast.cli.send", "send datagrams to a group"),
    "ask": ("mcast.cli.ask", "put a question to a group and print what its hosts answer"),
    "interfaces": ("mcast.cli.interfaces", "list the interfaces of this host and the groups joined on them"),
    "publish": ("mcast.cli.publish", "publish a service by multicast DNS until Ctrl-C"),
    "browse": ("mcast.cli.browse", "list the services on the network, or follow them"),
    "resolve": ("mcast.cli.resolve", "find out where a service is, or a host, or whose an address is"),
    "query": ("mcast.cli.query", "ask one question by multicast DNS and print all answers"),
    "domains": ("mcast.cli.domains", "list the domains to browse and register in, or check one"),
    "dump": ("mcast.cli.dump", "print every multicast DNS packet, or what is wrong with it"),
    "top": ("mcast.cli.top.command", "show what is on the network, live, in the terminal"),
    "conform": ("mcast.cli.conform", "judge a multicast DNS implementation by its packets"),
}
"""Name of each sub-command: its module, and what it does in one line."""

SHELLS = ("bash", "fish", "zsh")
"""The shells that ``--completion`` has a script for; contrib/share.py makes them."""

HELP = ("-h", "--help", "help")
"""Words that ask for help; the name of a command may follow."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the `mcast` command.

    :param argv: the arguments without the program's name; those of the process when None.
    :returns: the exit status: 0 good, 1 not everything that was expected, 2 nothing or an error.
    """
    arguments = _usual_order(list(sys.argv[1:] if argv is None else argv))
    if arguments[:1] and arguments[0] in HELP and arguments[1:2] and not arguments[1].startswith("-"):
        del arguments[0]  # help about what is no command: said as of any such word
    if not arguments or arguments[0] in HELP:
        print(_help())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        from mcast.version import versions  # it reads what pip has noted, which takes its time

        print(versions())
        return 0
    if arguments[0] == "--completion":
        return _print_completion(arguments[1:])
    name = arguments[0]
    if name not in COMMANDS:
        print(f"mcast: {name}: {_meant(name)}", file=sys.stderr)
        return 2
    module, description = COMMANDS[name]
    from mcast.cli.command import main_of

    return main_of(import_module(module), name, description, arguments[1:])


def _print_completion(arguments: Sequence[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in SHELLS:
        print(f"mcast --completion: name one shell of {', '.join(SHELLS)}", file=sys.stderr)
        return 2
    from importlib import resources

    script = resources.files("mcast.cli") / "completions" / f"mcast.{arguments[0]}"
    print(script.read_text(encoding="utf-8"), end="")
    return 0


def _usual_order(arguments: list[str]) -> list[str]:
    """Return arguments with the command first: ``help ping`` is ``ping --help``, and options may lead."""
    if not arguments or not (arguments[0] in HELP or arguments[0].startswith("-")):
        return arguments
    command = next((place for place, word in enumerate(arguments) if word in COMMANDS), None)
    if command is None:
        return arguments
    before = ["--help" if word in HELP else word for word in arguments[:command]]
    return [arguments[command], *before, *arguments[command + 1 :]]


def _meant(word: str) -> str:
    """Return what to write in place of a word that is no command."""
    from difflib import get_close_matches

    if word.startswith("-"):
        return "the command comes first, its options after it: mcast COMMAND --option"
    (close, *_) = (*get_close_matches(word, COMMANDS, n=1), "")
    meant = f"; did you mean {close}?" if close else ""
    return f"no such command; there are {', '.join(COMMANDS)}{meant}"


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {description}" for name, (_, description) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: mcast COMMAND …",
            "",
            *lines,
            "",
            '"mcast COMMAND --help" tells the options of a command.',
            f'"mcast --completion SHELL" prints a script for a shell ({", ".join(SHELLS)}), '
            "which completes them.",
        ]
    )
