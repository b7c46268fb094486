"""Make the manual pages and the completion of the shells from the option tables of the commands.

python contrib/share.py            writes contrib/man/, contrib/completions/ and mcast/cli/completions/
python contrib/share.py --check    exit status 1 when one of them is out of date
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import shtab

from mcast.cli import COMMANDS, SHELLS
from mcast.cli.command import Parser, configure
from mcast.tap.tap import SUBCOMMANDS
from mcast.tap.tap import Options as TapOptions
from mcast.version import version

TOP = Path(__file__).resolve().parent.parent

SUMMARY = "IP multicast and multicast DNS from the command line"

INTERFACES: Any = {
    "bash": """
_mcast_interfaces() { compgen -W "$(ls /sys/class/net 2>/dev/null)" -- "$1"; }
""",
    "zsh": "",
    "fish": "",
}
"""What the completion of a shell needs to list the interfaces of a machine; zsh knows them itself."""


class Option(NamedTuple):
    """An option, or an argument, as a manual page shows it."""

    words: tuple[str, ...]
    value: str
    text: str


def top_parser() -> argparse.ArgumentParser:
    """Return a parser of all sub-commands of `mcast`."""
    top = Parser(prog="mcast", description=SUMMARY)
    top.add_argument("--version", action="store_true", help="show the versions of mcast, Python and Twisted")
    top.add_argument("--completion", choices=SHELLS, help="print the completion of a shell")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    for name, (module, description) in COMMANDS.items():
        configure(commands.add_parser(name, help=description), import_module(module), description)
    for parser in commands.choices.values():
        for action in parser._actions:
            kind = {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY, "DIRECTORY": shtab.DIRECTORY}
            kind["IF"] = {"bash": "_mcast_interfaces", "zsh": "_net_interfaces"}
            if action.metavar in kind:
                action.complete = kind[action.metavar]  # type: ignore[attr-defined]
    return top


def completion(shell: str) -> str:
    """Return the completion script of a shell."""
    return shtab.complete(top_parser(), shell, preamble=INTERFACES)


def arguments_of(parser: argparse.ArgumentParser) -> Iterator[Option]:
    """Yield what a parser understands, arguments first."""
    formatter = parser.formatter_class(prog=parser.prog)
    for action in sorted(parser._actions, key=lambda each: bool(each.option_strings)):
        text = formatter._expand_help(action) if action.help else ""
        if action.option_strings:
            value = "" if action.nargs == 0 else formatter._format_args(action, action.dest.upper())
            yield Option(tuple(action.option_strings), value, text)
        else:
            yield Option((formatter._format_args(action, action.dest.upper()),), "", text)


def options_of(options: Any) -> Iterator[Option]:
    """Yield what a `twisted.python.usage.Options` understands."""
    flags = {name for name, *_ in getattr(options, "optFlags", ())}
    for name in sorted({each.removesuffix("=") for each in options.longOpt}):
        if options.synonyms.get(name, name) != name:
            continue
        takes_value = f"{name}=" in options.longOpt and name not in flags
        yield Option((f"--{name}",), "VALUE" if takes_value else "", options.docs.get(name) or "")


def escaped(text: str) -> str:
    """Return text as roff takes it literally."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^(?=[.'])", r"\\&", text, flags=re.MULTILINE)


def paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of a docstring; one with indented lines stays as it is."""
    for paragraph in text.strip().split("\n\n"):
        if "\n " in f"\n{paragraph}":
            yield f".PP\n.nf\n{escaped(paragraph)}\n.fi"
        else:
            yield f".PP\n{escaped(paragraph)}"


def option_list(options: Iterator[Option]) -> Iterator[str]:
    """Yield the options as a list."""
    for option in options:
        words = ", ".join(f"\\fB{escaped(word)}\\fR" for word in option.words)
        value = f" \\fI{escaped(option.value)}\\fR" if option.value else ""
        yield f".TP\n{words}{value}\n{escaped(' '.join(option.text.split()))}"


def head(name: str, summary: str) -> list[str]:
    """Return how a page begins."""
    title = escaped(name.upper())
    first = f'.TH "{title}" 1 "" "mcast {version()}" "User Commands"'
    return [first, ".SH NAME", f"{escaped(name)} \\- {escaped(summary)}"]


def command_page(name: str, parser: argparse.ArgumentParser, summary: str) -> str:
    """Return the manual page of a sub-command of `mcast`."""
    description, _, status = re.split(r"(?i)\n\n(exit status:)\s*", parser.description or "", maxsplit=1)
    usage = " ".join(parser.format_usage().removeprefix("usage:").split())
    return "\n".join(
        [
            *head(f"mcast-{name}", summary),
            ".SH SYNOPSIS",
            escaped(usage),
            ".SH DESCRIPTION",
            *paragraphs(description),
            ".SH OPTIONS",
            *option_list(arguments_of(parser)),
            ".SH EXIT STATUS",
            escaped(" ".join(status.split())),
            ".SH SEE ALSO",
            "\\fBmcast\\fR(1), \\fBtwist\\-mcast\\fR(1)",
            "",
        ]
    )


def top_page() -> str:
    """Return the manual page of `mcast`."""
    lines = [*head("mcast", SUMMARY), ".SH SYNOPSIS", "\\fBmcast\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]"]
    lines.append(".SH COMMANDS")
    for name, (_, description) in COMMANDS.items():
        lines.append(f".TP\n\\fBmcast\\-{escaped(name)}\\fR(1)\n{escaped(description)}")
    lines += [".SH OPTIONS", *option_list(each for each in arguments_of(top_parser()) if each.text)]
    lines.append(".SH EXIT STATUS")
    lines.append("0 good, 1 not everything that was expected, 2 nothing or an error.")
    lines += [".SH SEE ALSO", "\\fBtwist\\-mcast\\fR(1)", ""]
    return "\n".join(lines)


def tap_page() -> str:
    """Return the manual page of `twist mcast`."""
    lines = [*head("twist-mcast", "serve multicast groups, and publish by multicast DNS"), ".SH SYNOPSIS"]
    lines.append("\\fBtwist mcast\\fR [\\fIOPTIONS\\fR]")
    lines += [f".br\n\\fBtwist mcast {escaped(name)}\\fR [\\fIOPTIONS\\fR]" for name, _, _ in SUBCOMMANDS]
    pages = [("twist mcast", TapOptions())]
    pages += [(f"twist mcast {name}", import_module(module).Options()) for name, module, _ in SUBCOMMANDS]
    for name, options in pages:
        lines += [f".SH {escaped(name.upper())}", *paragraphs(" ".join(options.longdesc.split()))]
        lines += option_list(options_of(options))
    lines.append(".SH SIGNALS")
    lines.append("SIGUSR1 logs what was counted, SIGHUP has files read again, SIGTERM says goodbye and ends.")
    lines.append("The echo, without a sub-command, has nothing to read again: SIGHUP ends it.")
    lines += [".SH SEE ALSO", "\\fBmcast\\fR(1)", ""]
    return "\n".join(lines)


def reference() -> str:
    """Return the page of all commands for the documentation."""
    lines = [
        "# Commands",
        "",
        "Written by `python contrib/share.py` from the option tables, not by hand.",
        "",
    ]
    lines += ["What the commands print with `--json` is on [a page of its own](json.md).", ""]
    for name, (module, description) in COMMANDS.items():
        parser = Parser(prog=f"mcast {name}")
        configure(parser, import_module(module), description)
        usage = " ".join(parser.format_usage().removeprefix("usage:").split())
        lines += [f"## mcast {name}", "", *_text_blocks(parser.description or ""), f"    {usage}", ""]
        lines += [*_table(arguments_of(parser)), ""]
    pages = [("twist mcast", TapOptions())]
    pages += [(f"twist mcast {name}", import_module(module).Options()) for name, module, _ in SUBCOMMANDS]
    for name, options in pages:
        lines += [f"## {name}", "", " ".join(options.longdesc.split()), ""]
        lines += [*_table(options_of(options)), ""]
    return "\n".join(lines)


def _text_blocks(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        if "\n " in f"\n{paragraph}":
            yield from (f"    {line}" for line in paragraph.splitlines())
        else:
            yield _as_markdown(" ".join(paragraph.split()))
        yield ""


def _table(options: Iterator[Option]) -> Iterator[str]:
    yield from ("| option | is |", "| --- | --- |")
    for option in options:
        words = ", ".join(f"`{word}`" for word in option.words)
        value = f" *{_as_markdown(option.value)}*" if option.value else ""
        yield f"| {words}{value} | {_as_markdown(' '.join(option.text.split()))} |"


def _as_markdown(text: str) -> str:
    return re.sub(r"([\\`*_<>\[\]|$])", r"\\\1", text)


def made() -> dict[Path, str]:
    """Return every file by its path, and what is to stand in it."""
    man, scripts = TOP / "contrib" / "man", TOP / "mcast" / "cli" / "completions"
    files = {man / "mcast.1": top_page(), man / "twist-mcast.1": tap_page()}
    for name, (module, description) in COMMANDS.items():
        parser = Parser(prog=f"mcast {name}")
        configure(parser, import_module(module), description)
        files[man / f"mcast-{name}.1"] = command_page(name, parser, description)
    files[TOP / "docs/reference/commands.md"] = reference()
    files |= {scripts / f"mcast.{shell}": completion(shell) for shell in SHELLS}
    # Under the names by which bash and zsh find them.
    files[TOP / "contrib/completions/mcast"] = files[scripts / "mcast.bash"]
    files[TOP / "contrib/completions/_mcast"] = files[scripts / "mcast.zsh"]
    return files


def main(arguments: list[str]) -> int:
    """Write or check the files; return the exit status."""
    parser = argparse.ArgumentParser(description="Make manual pages and completion.")
    parser.add_argument("--check", action="store_true", help="write nothing, tell whether they are right")
    check = parser.parse_args(arguments).check
    wrong = 0
    for path, text in made().items():
        if check and (not path.exists() or path.read_text(encoding="utf-8") != text):
            print(f"{path.relative_to(TOP)} is out of date: run python contrib/share.py", file=sys.stderr)
            wrong = 1
        elif not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
