"""The public face: what programs import is there, whole, documented, and costs nothing until it is used."""

from __future__ import annotations

import ast
import enum
import inspect
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, TypeGuard, get_origin

from twisted.trial.unittest import SynchronousTestCase

import mcast

PUBLIC_MODULES = ("mcast", "mcast.metrics", "mcast.oneshot", "mcast.resolver", "mcast.testing")
"""The modules that programs import from; each says by ``__all__`` what of it is public."""

PROTOCOLS = ("__aiter__", "__anext__", "__aenter__", "__call__", "__getitem__", "__iter__")
"""Special methods whose types a program gets to see."""


def is_class(found: object) -> TypeGuard[type]:
    """Tell classes from generic aliases, which Python 3.10 takes for classes too."""
    return isinstance(found, type) and get_origin(found) is None


class PublicFaceTests(SynchronousTestCase):
    def test_everything_that_is_promised_is_there(self) -> None:
        self.assertEqual([name for name in mcast.__all__ if getattr(mcast, name, None) is None], [])

    def test_completion_shows_the_promised_names(self) -> None:
        self.assertEqual({name for name in dir(mcast) if not name.startswith("_")}, set(mcast.__all__))

    def test_unknown_name(self) -> None:
        with self.assertRaisesRegex(AttributeError, "no attribute 'nothing'"):
            mcast.nothing  # noqa: B018  # the attribute access is what is tested

    def test_import_loads_no_twisted(self) -> None:
        self.assertFalse(loaded_by("import mcast") & {"twisted", "mcast.node.node"})

    def test_nothing_installs_the_reactor(self) -> None:
        """An import of ours leaves the choice of the reactor to the program."""
        everything = "import mcast; [getattr(mcast, name) for name in mcast.__all__]"
        self.assertNotIn("twisted.internet.reactor", loaded_by(everything))


class SignatureTests(SynchronousTestCase):
    """Whatever occurs in a public signature can be imported from a public module."""

    def test_types_can_be_imported(self) -> None:
        missing: dict[str, set[str]] = {}
        for module in PUBLIC_MODULES:
            for place, found in types_of_module(module):
                if is_ours(found) and not is_offered(found):
                    missing.setdefault(f"{found.__module__}.{found.__qualname__}", set()).add(place)
        self.assertEqual(missing, {})

    def test_aliases_can_be_imported(self) -> None:
        """A name that stands for a union or a generic type is wanted for annotations as well."""
        missing = {
            f"{alias} in {place}"
            for module in PUBLIC_MODULES
            for place, found in members_of_module(module)
            for alias in aliases_in(found)
            if alias not in offered_names()
        }
        self.assertEqual(sorted(missing), [])

    def test_every_object_shows_what_it_is(self) -> None:
        """Not only its address: a protocol of typing has no objects."""
        silent = [
            name
            for name, found in offered_names().items()
            if is_class(found)
            and not any("__repr__" in vars(base) for base in found.__mro__[:-1])
            and not getattr(found, "_is_protocol", False)
        ]
        self.assertEqual(sorted(silent), [])

    def test_everything_has_a_docstring(self) -> None:
        missing = [
            place
            for module in PUBLIC_MODULES
            for place, found in members_of_module(module)
            if not inspect.getdoc(found) and not is_called_by_twisted(place)
        ]
        self.assertEqual(sorted(missing), [])


class DocumentationTests(SynchronousTestCase):
    """docs/api.md names all that is public: the names of the modules, and the members of their classes."""

    def setUp(self) -> None:
        self.page = (Path(__file__).parent.parent / "docs" / "api.md").read_text("utf-8")
        self.words = {
            word for code in re.findall(r"`([^`]+)`", self.page) for word in re.findall(r"\w+", code)
        }

    def test_names(self) -> None:
        names = {name for module in PUBLIC_MODULES for name in import_module(module).__all__}
        self.assertEqual(sorted(names - self.words), [])

    def test_members(self) -> None:
        """Those of `mcast.testing` are in docs/testing.md, and those that Twisted calls in Twisted's."""
        missing = [
            place
            for module in PUBLIC_MODULES
            if module != "mcast.testing"
            for place, _ in members_of_module(module)
            if "." in place and not is_called_by_twisted(place) and place.rpartition(".")[2] not in self.words
        ]
        self.assertEqual(sorted(set(missing)), [])

    def test_members_of_a_table(self) -> None:
        """A table whose head names classes lists their members: all of them, and none that they lack."""
        for head, *rows in tables(self.page):
            classes = classes_named(head[0])
            listed: dict[type, set[str]] = {each: set() for each in classes}
            for first, second in rows if classes else ():
                begun = {code.partition("(")[0] for code in codes(first)}
                named = {name for name in begun if " " not in name}
                only = re.match(r"of [^:]*: ", second)
                having = classes_named(only[0]) if only else classes
                for each in classes:
                    lacking = {name for name in named if not has_member(each, name)}
                    self.assertEqual(lacking, set() if each in having else named, each)
                    if each in having:
                        listed[each] |= named
            for each in classes:
                members = {place.rpartition(".")[2] for place, _ in members_of_class("", each)}
                left_out = {name for name in members if name.isidentifier() and not name.startswith("__")}
                self.assertEqual(left_out - listed[each], set(), each)

    def test_members_of_a_row(self) -> None:
        """A row that begins with a class names members of that class, or of others that it names."""
        for head, *rows in tables(self.page):
            for row in rows if not classes_named(head[0]) else ():
                subjects = [offered_by_any(code) for code in codes(row[0])]
                text = " ".join(row[1:])
                known = [*filter(None, subjects), *classes_named(text), mcast]
                if not any(is_class(each) for each in subjects):
                    continue
                parameters = {
                    word for code in codes(text) if "(" in code for word in re.findall(r"\w+", code)
                }
                wrong = [
                    code
                    for code in codes(text)
                    if re.fullmatch(r"[a-z]\w*(\(\w*\))?", code)
                    and code not in parameters
                    and not any(knows(each, code.partition("(")[0]) for each in known)
                ]
                self.assertEqual(wrong, [], row[0])

    def test_parameters(self) -> None:
        """A call shows parameters that there are; all of them, where it has no ellipsis."""
        wrong = [
            code
            for head, *rows in [*tables(self.page), *prose(self.page)]
            for row in rows
            for cell in row
            for code in codes(cell)
            if (known := called(code, classes_named(head[0])))
            and not any(takes(found, code) for found in known)
        ]
        self.assertEqual(wrong, [])


def tables(page: str) -> Iterator[list[list[str]]]:
    """Yield each table of a page, as rows of cells; the first row is the head."""
    for block in re.findall(r"(?m)(?:^\|.*\n)+", page):
        rows = [[cell.strip() for cell in line.strip("|\n").split(" | ")] for line in block.splitlines()]
        yield [[*row, ""][:2] if len(row) < 2 else row for row in (rows[0], *rows[2:])]


def prose(page: str) -> Iterator[list[list[str]]]:
    """Yield what stands outside of tables as if it was one."""
    yield [[""], [re.sub(r"(?m)^\|.*\n", "", page)]]


def codes(text: str) -> list[str]:
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", text)]


def offered_by_any(code: str) -> Any:
    """Return what a public module offers under the name that some code begins with."""
    name = code.partition("(")[0]
    module, _, name = name.rpartition(".")
    if module:
        return getattr(import_module(module), name, None) if module in PUBLIC_MODULES else None
    return offered_names().get(name)


def classes_named(text: str) -> list[type]:
    return [found for found in map(offered_by_any, codes(text)) if is_class(found)]


def has_member(offered: type, name: str) -> bool:
    """Tell whether objects of a class have a member, one that its constructor sets among them."""
    if hasattr(offered, name):
        return True
    if any(name in vars(base).get("__annotations__", ()) for base in offered.__mro__):
        return True
    return any(
        re.search(rf"\bself\.{name}\b[^=\n]*=", inspect.getsource(base))
        for base in offered.__mro__
        if is_ours(base)
    )


def knows(found: Any, name: str) -> bool:
    """Tell whether a name is a member of something, or a parameter."""
    if is_class(found) and has_member(found, name):
        return True
    return hasattr(found, name) or (callable(found) and name in inspect.signature(found).parameters)


def called(code: str, classes: list[type]) -> list[Any]:
    """Return what a piece of code such as ``name(parameter, *, other=0)`` calls, as far as it is known."""
    name = code.partition("(")[0]
    if "(" not in code or not code.endswith(")") or name == code:
        return []
    owner, _, member = name.rpartition(".")
    holders = classes_named(f"`{owner}`") if owner else classes
    found = [getattr(each, member) for each in holders if hasattr(each, member)]
    alone = offered_by_any(name)
    return [each for each in (*found, alone) if callable(each)]


def takes(found: Any, code: str) -> bool:
    """Tell whether a function takes what a piece of code shows as its parameters."""
    shown = re.sub(r"=[^,()\[\]]*(\([^()]*\))?", "", code.partition("(")[2][:-1]).replace(" ", "").split(",")
    if not all(re.fullmatch(r"\*{0,2}[a-z]\w*|\*|…|", each) for each in shown):
        return True  # an example with values
    names = {each.strip("*") for each in shown} - {"", "…"}
    signature = inspect.signature(found).parameters
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in signature.values()):
        return True
    parameters = set(signature) - {"self"}
    return names <= parameters if "…" in shown else names == parameters


def loaded_by(code: str) -> set[str]:
    """Return the modules that are loaded once a fresh interpreter has run some code."""
    code += "; import sys; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return set(output.split())


def is_ours(found: Any) -> bool:
    return str(found.__module__).split(".")[0] == "mcast"


def is_offered(found: Any) -> bool:
    """Tell whether a class can be imported from a public module."""
    return any(
        getattr(import_module(module), found.__name__, None) is found
        for module in PUBLIC_MODULES
        if found.__name__ in import_module(module).__all__
    )


def is_called_by_twisted(place: str) -> bool:
    """Tell whether an interface says what a method does: it is named in Twisted's manner, or special."""
    name = place.rpartition(".")[2]
    return name.lower() != name or name.startswith("__")


def offered_names() -> dict[str, Any]:
    """Return all that the public modules offer, under its names.

    Modules that need each other import some types for mypy alone; their names stand for what is offered.
    """
    return {
        name: getattr(import_module(module), name)
        for module in reversed(PUBLIC_MODULES)
        for name in import_module(module).__all__
    }


def types_of_module(module: str) -> Iterator[tuple[str, type]]:
    """Yield the classes in the signatures of all that a module offers, each with its place."""
    for place, found in members_of_module(module):
        if is_class(found) or inspect.isroutine(found):
            hints = typing.get_type_hints(found, localns=offered_names())
        elif isinstance(found, property):
            hints = typing.get_type_hints(found.fget, localns=offered_names())
        else:
            hints = {"": found}
        for name, hint in hints.items():
            if not name.startswith("_"):
                yield from ((place, each) for each in classes_in(hint))


def members_of_module(module: str) -> Iterator[tuple[str, Any]]:
    """Yield all that a module offers, and the public members of its classes, each with its place."""
    for name in import_module(module).__all__:
        offered = getattr(import_module(module), name)
        yield name, offered
        if is_class(offered) and not issubclass(offered, enum.Enum):
            yield from members_of_class(name, offered)


def members_of_class(place: str, offered: type) -> Iterator[tuple[str, Any]]:
    for base in offered.__mro__:
        if not is_ours(base):
            continue
        for name, member in vars(base).items():
            plain = member.__func__ if isinstance(member, classmethod | staticmethod) else member
            is_public = not name.startswith("_") or name in PROTOCOLS
            if is_public and (inspect.isfunction(plain) or isinstance(plain, property)):
                yield f"{place}.{name}", plain
    constructor = vars(offered).get("__init__")
    if constructor is not None and not is_made_for_the_program(offered):
        yield f"{place}()", constructor


def is_made_for_the_program(offered: type) -> bool:
    """Tell whether a program gets objects of a class, and does not make them: its docstring says so."""
    return re.search(r"\b[Mm]ade by `|` makes (it|one)\b", offered.__doc__ or "") is not None


def aliases_in(found: Any) -> Iterator[str]:
    """Yield the names in the annotations of a function or class that stand for composed types."""
    plain = found.fget if isinstance(found, property) else found
    module = sys.modules.get(getattr(plain, "__module__", None) or "")
    for annotation in getattr(plain, "__annotations__", {}).values():
        for node in ast.walk(ast.parse(annotation, mode="eval")) if isinstance(annotation, str) else ():
            if isinstance(node, ast.Name) and typing.get_origin(getattr(module, node.id, None)) is not None:
                yield node.id


def classes_in(hint: Any) -> Iterator[type]:
    """Yield the classes that a type hint is made of."""
    if isinstance(hint, list | tuple):
        for each in hint:
            yield from classes_in(each)
    elif typing.get_origin(hint) is not None:
        yield from classes_in(typing.get_origin(hint))
        yield from classes_in(typing.get_args(hint))
    elif is_class(hint):
        yield hint
