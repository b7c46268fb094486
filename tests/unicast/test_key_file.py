"""Key files in the form of BIND."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import Name
from mcast.unicast.key_file import SIZE_LIMIT, KeyFileError, parse_key_file

SECRET = base64.b64encode(b"s" * 32).decode()
GOOD = f'key "laptop.example" {{\n\talgorithm hmac-sha256;\n\tsecret "{SECRET}";\n}};\n'


class KeyFileTests(SynchronousTestCase):
    def test_as_tsig_keygen_writes_it(self) -> None:
        key = parse_key_file(GOOD.encode(), "k")
        self.assertEqual(
            (key.name, key.secret, key.algorithm), (Name.parse("laptop.example"), b"s" * 32, "hmac-sha256")
        )

    def test_comments_and_bare_words(self) -> None:
        text = f"// one\n# two\n/* three\n*/ key k {{ secret {SECRET}; algorithm HMAC-SHA512; }};"
        self.assertEqual(parse_key_file(text.encode(), "k").algorithm, "hmac-sha512")

    def fault(self, text: str | bytes) -> str:
        data = text.encode() if isinstance(text, str) else text
        error = self.assertRaises(KeyFileError, parse_key_file, data, "k.conf")
        self.assertNotIn(SECRET, str(error))
        self.assertNotIn("\n", str(error))
        return str(error)

    def test_faults_name_the_line(self) -> None:
        self.assertEqual(
            self.fault(GOOD.replace("algorithm", "algorythm")),
            "k.conf:2: a key has an algorithm and a secret, and nothing else",
        )
        self.assertEqual(self.fault(GOOD.replace('";', '"')), "k.conf:4: after the secret comes ;")
        self.assertEqual(self.fault(GOOD.replace(SECRET, "?")), "k.conf:3: the secret is no base64")

    def test_other_files(self) -> None:
        self.assertIn("it begins with key", self.fault("[service]\nname = 1\n"))
        self.assertIn("it is no text", self.fault(b"\xff\xfe"))
        self.assertIn("ends before key", self.fault(""))
        self.assertIn("larger than", self.fault(" " * (SIZE_LIMIT + 1)))

    def test_two_keys(self) -> None:
        self.assertIn("k.conf:5: more than one key", self.fault(GOOD + GOOD))

    def test_a_secret_in_the_wrong_place(self) -> None:
        """It is not quoted in an error, wherever it stands."""
        self.assertIn("algorithm is none of", self.fault(GOOD.replace("hmac-sha256", SECRET)))
        self.fault(GOOD.replace("algorithm", SECRET))
        self.fault(GOOD.replace("key ", SECRET))

    @given(st.text(max_size=80) | st.text(alphabet='key{};" \nsecretalgo=/*#', max_size=80))
    def test_any_text(self, text: str) -> None:
        try:
            parse_key_file(text.encode("utf-8", "surrogatepass"), "k")
        except KeyFileError as error:
            self.assertIn("k:", str(error))
