"""Key files as BIND has them: ``key "name" { algorithm hmac-sha256; secret "…"; };``."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from mcast.dns.names import Name
from mcast.errors import McastError, brief
from mcast.unicast.tsig import ALGORITHMS, UpdateKey

SIZE_LIMIT = 1 << 16
"""Octets of a key file. Our choice: a key takes a hundred; more is a file given by mistake."""

_TOKEN: Final = re.compile(
    r"""\s+ | //[^\n]* | \#[^\n]* | /\*.*?\*/
    | (?P<quoted>"[^"\n]*") | (?P<mark>[{};]) | (?P<word>[^\s{};"]+)""",
    re.VERBOSE | re.DOTALL,
)


class KeyFileError(McastError):
    """A key file has a fault; who wrote it is to blame. No part of a secret stands in it.

    :param source: the file, as the user named it.
    :param line: where the fault is, counted from 1.
    """

    def __init__(self, source: str, line: int, reason: str) -> None:
        super().__init__(brief(f"{source}:{line}: {reason}"))
        self.source = source
        self.line = line
        self.reason = reason


def parse_key_file(data: bytes, source: str) -> UpdateKey:
    """Return the one key of a file.

    :param source: what the file is called in errors.
    :raises KeyFileError: naming file, line and fault, and nothing of what may be a secret.
    """
    if len(data) > SIZE_LIMIT:
        raise KeyFileError(source, 1, f"the file is larger than {SIZE_LIMIT} octets")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise KeyFileError(source, 1, "it is no text") from None
    return _Reader(text, source).key()


class _Reader:
    """Goes through the words of a key file."""

    def __init__(self, text: str, source: str) -> None:
        self._source = source
        self._line = 1
        self._tokens = self._split(text)
        self._next = 0

    def _split(self, text: str) -> list[tuple[str, int]]:
        tokens = []
        at, line = 0, 1
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise KeyFileError(self._source, line, "a quotation mark without its other one")
            if found.lastgroup is not None:
                tokens.append((found[0], line))
            line += found[0].count("\n")
            at = found.end()
        return tokens

    def key(self) -> UpdateKey:
        """Read the whole file."""
        self._expect("key", 'it begins with key "NAME" {')
        name = self._name(self._word("the name of the key"))
        self._expect("{", "after the name of the key comes {")
        found: dict[str, str] = {}
        while (word := self._word("algorithm, secret or }")) != "}":
            if word not in ("algorithm", "secret"):
                raise self._fault("a key has an algorithm and a secret, and nothing else")
            if word in found:
                raise self._fault(f"a second {word}")
            found[word] = self._checked(word, self._word(f"the {word}"))
            self._expect(";", f"after the {word} comes ;")
        self._expect(";", "after } comes ;")
        if self._next < len(self._tokens):
            self._line = self._tokens[self._next][1]
            raise self._fault("more than one key; a file has one")
        for wanted in ("algorithm", "secret"):
            if wanted not in found:
                raise self._fault(f"the key has no {wanted}")
        return UpdateKey(name, base64.b64decode(found["secret"]), found["algorithm"])

    def _checked(self, part: str, word: str) -> str:
        if part == "secret":
            return self._secret(word)
        algorithm = word.lower().rstrip(".")
        if algorithm not in ALGORITHMS:
            # Not quoted: somebody may have put the secret there.
            raise self._fault(f"the algorithm is none of {', '.join(ALGORITHMS)}")
        return algorithm

    def _name(self, word: str) -> Name:
        try:
            return Name.parse(word)
        except ValueError:
            raise self._fault("the name of the key is no domain name") from None

    def _secret(self, word: str) -> str:
        try:
            if base64.b64decode(word, validate=True):
                return word
        except (binascii.Error, ValueError):
            raise self._fault("the secret is no base64") from None
        raise self._fault("the secret is empty")

    def _word(self, what: str) -> str:
        if self._next >= len(self._tokens):
            raise self._fault(f"the file ends before {what}")
        word, self._line = self._tokens[self._next]
        self._next += 1
        return word[1:-1] if word.startswith('"') else word

    def _expect(self, word: str, rule: str) -> None:
        if self._word(word) != word:
            raise self._fault(rule)

    def _fault(self, reason: str) -> KeyFileError:
        return KeyFileError(self._source, self._line, reason)
