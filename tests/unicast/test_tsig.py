"""Signatures of messages, with dnspython as the server."""

from __future__ import annotations

import builtins
from typing import Any
from unittest import mock

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdtypes.ANY.TSIG
import dns.tsig
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns import records
from mcast.dns.names import Name
from mcast.unicast.tsig import (
    ALGORITHMS,
    FUDGE,
    Fault,
    MissingExtra,
    NotAuthentic,
    TsigError,
    UpdateKey,
    Verdict,
    check,
    sign,
)
from mcast.unicast.updates import Update, encode_update

NOW = 1_800_000_000
SECRET = b"0123456789abcdef0123456789abcdef"
KEY = UpdateKey(Name.parse("Update-Key.example"), SECRET)
ZONE = Name.parse("example.com")
WIRE = encode_update(Update(ZONE, (), (records.address(ZONE, "192.0.2.1", ttl=60),)), 4711)


def their_key(key: UpdateKey) -> dns.tsig.Key:
    return dns.tsig.Key(str(key.name), key.secret, key.algorithm)


def read_by_dnspython(wire: bytes, key: UpdateKey, now: int = NOW) -> dns.message.Message:
    with mock.patch("time.time", return_value=now):
        return dns.message.from_wire(wire, keyring={their_key(key).name: their_key(key)})


def response(
    request_mac: bytes, key: UpdateKey = KEY, *, error: int = 0, time: int = NOW, other: bytes = b""
) -> bytes:
    """Return what a server answers, signed by dnspython."""
    plain = bytes.fromhex("1267a800000000000000 0000".replace(" ", ""))
    theirs = their_key(key)
    empty = dns.rdtypes.ANY.TSIG.TSIG(255, 250, theirs.algorithm, time, FUDGE, b"", 0x1267, error, other)
    signature, _ = dns.tsig.sign(plain, theirs, empty, time, request_mac)
    return with_signature(plain, key.name, signature)


def with_signature(plain: bytes, owner: Name, signature: Any) -> bytes:
    rdata: bytes = signature.to_wire()
    head = plain[:10] + b"\0\1" + plain[12:]
    return head + owner.wire + bytes.fromhex("00fa00ff00000000") + len(rdata).to_bytes(2, "big") + rdata


def fault_of(case: SynchronousTestCase, wire: bytes, mac: bytes, now: int = NOW) -> Fault:
    error: NotAuthentic = case.assertRaises(NotAuthentic, check, wire, KEY, now, mac)
    return error.fault


class SigningTests(SynchronousTestCase):
    """T-5.1-1, T-4.2-1: the signature is the last record, and dnspython finds it right."""

    def test_every_algorithm(self) -> None:
        """T-6-1: hmac-sha256, hmac-sha1, and the others that RFC 8945 lists."""
        believed = [
            read_by_dnspython(sign(WIRE, key, NOW).wire, key).had_tsig
            for key in (UpdateKey(KEY.name, SECRET, algorithm) for algorithm in ALGORITHMS)
        ]
        self.assertEqual(believed, [True] * len(ALGORITHMS))

    def test_what_is_signed_is_the_update(self) -> None:
        signed = sign(WIRE, KEY, NOW)
        self.assertEqual(signed.wire[12 : len(WIRE)], WIRE[12:])
        self.assertEqual(len(signed.mac), 32)

    def test_another_secret(self) -> None:
        other = UpdateKey(KEY.name, b"another secret of 32 octets, yes")
        with self.assertRaises(dns.tsig.BadSignature):
            read_by_dnspython(sign(WIRE, KEY, NOW).wire, other)

    def test_another_hour(self) -> None:
        """T-5.2.3-1: the time signed is ours; the server compares it with its own."""
        with self.assertRaises(dns.tsig.BadTime):
            read_by_dnspython(sign(WIRE, KEY, NOW).wire, KEY, NOW + FUDGE + 1)
        read_by_dnspython(sign(WIRE, KEY, NOW).wire, KEY, NOW + FUDGE)


class CheckingTests(SynchronousTestCase):
    """T-5.3-1: a response is bound to its request by the MAC of that."""

    mac = b"M" * 32

    def test_right(self) -> None:
        self.assertEqual(check(response(self.mac), KEY, NOW, self.mac), Verdict())

    def test_to_another_request(self) -> None:
        self.assertEqual(fault_of(self, response(b"N" * 32), self.mac), Fault.FORGED)

    def test_changed_on_the_way(self) -> None:
        wire = bytearray(response(self.mac))
        wire[3] ^= 5
        self.assertEqual(fault_of(self, bytes(wire), self.mac), Fault.FORGED)

    def test_unsigned(self) -> None:
        """T-5.3-2: a response without a signature is not believed."""
        plain = bytes.fromhex("1267a8000000000000000000")
        self.assertEqual(fault_of(self, plain, self.mac), Fault.UNSIGNED)

    def test_of_another_key(self) -> None:
        other = UpdateKey(Name.parse("other"), SECRET)
        self.assertEqual(fault_of(self, response(self.mac, other), self.mac), Fault.OTHER_KEY)

    def test_old(self) -> None:
        """T-5.2.3-2: a response signed more than the fudge ago is a replay."""
        self.assertEqual(fault_of(self, response(self.mac, time=NOW - 301), self.mac), Fault.UNTIMELY)

    def test_cut_signature(self) -> None:
        """T-5.2.2.1-1: a shorter MAC than our policy wants; below half of the hash it is malformed."""
        self.assertEqual(fault_of(self, self.cut(16), self.mac), Fault.TRUNCATED)
        self.assertEqual(fault_of(self, self.cut(15), self.mac), Fault.MALFORMED)
        self.assertEqual(fault_of(self, self.cut(0), self.mac), Fault.MALFORMED)

    def cut(self, size: int) -> bytes:
        theirs = their_key(KEY)
        plain = bytes.fromhex("1267a8000000000000000000")
        empty = dns.rdtypes.ANY.TSIG.TSIG(255, 250, theirs.algorithm, NOW, FUDGE, b"", 0x1267, 0, b"")
        signature, _ = dns.tsig.sign(plain, theirs, empty, NOW, self.mac)
        return with_signature(plain, KEY.name, signature.replace(mac=signature.mac[:size]))


class ErrorTests(SynchronousTestCase):
    """T-5.2-1: what the server says of our signature."""

    mac = b"M" * 32

    def test_unknown_key_and_wrong_secret(self) -> None:
        """T-5.2.1-1, T-5.2.2-1: these two come unsigned, since nothing is shared."""
        for error in (TsigError.BADKEY, TsigError.BADSIG):
            empty = dns.rdtypes.ANY.TSIG.TSIG(
                255, 250, dns.tsig.HMAC_SHA256, NOW, FUDGE, b"", 0x1267, error, b""
            )
            plain = bytes.fromhex("1267a8090000000000000000")
            wire = with_signature(plain, KEY.name, empty)
            self.assertEqual(check(wire, KEY, NOW, self.mac), Verdict(error))

    def test_another_time(self) -> None:
        """T-5.2.3-3: it is signed, and tells the time of the server."""
        told = (NOW + 7200).to_bytes(6, "big")
        wire = response(self.mac, error=TsigError.BADTIME, other=told)
        self.assertEqual(check(wire, KEY, NOW, self.mac), Verdict(TsigError.BADTIME, NOW + 7200))

    def test_a_forged_time(self) -> None:
        wire = response(b"X" * 32, error=TsigError.BADTIME, other=b"\0" * 6)
        self.assertEqual(fault_of(self, wire, self.mac), Fault.FORGED)


class KeyTests(SynchronousTestCase):
    """T-10-1: a secret stands nowhere that anybody reads."""

    def test_repr(self) -> None:
        self.assertNotIn("secret", repr(KEY))
        self.assertNotIn("0123456789", repr(KEY) + str(KEY))

    def test_unknown_algorithm(self) -> None:
        """T-6-2: HMAC-MD5 is not offered."""
        error = self.assertRaises(ValueError, UpdateKey, KEY.name, SECRET, "hmac-md5")
        self.assertIn("hmac-sha256", str(error))
        self.assertNotIn("0123456789", str(error))

    def test_without_dnspython(self) -> None:
        """One line names the extra."""
        real = builtins.__import__

        def without(name: str, *rest: Any, **more: Any) -> Any:
            if name.startswith("dns."):
                raise ImportError(name)
            return real(name, *rest, **more)

        with mock.patch.object(builtins, "__import__", without):
            error = self.assertRaises(MissingExtra, sign, WIRE, KEY, NOW)
        self.assertEqual(str(error), "a key for DNS updates needs dnspython: pip install 'txmcast[update]'")


class HostileTests(SynchronousTestCase):
    """Whatever octets arrive, nothing but NotAuthentic is raised."""

    @settings(deadline=None)
    @given(st.binary(max_size=120))
    def test_any_octets(self, octets: bytes) -> None:
        self.try_it(octets)

    @settings(deadline=None)
    @given(st.integers(0, 200), st.integers(0, 255), st.integers(0, 200))
    def test_a_response_with_a_fault(self, place: int, value: int, end: int) -> None:
        wire = bytearray(response(b"M" * 32))
        wire[place % len(wire)] = value
        self.try_it(bytes(wire[: len(wire) - end // 4]))

    def try_it(self, octets: bytes) -> None:
        try:
            check(octets, KEY, NOW, b"M" * 32)
        except NotAuthentic as error:
            self.assertIsInstance(error.fault, Fault)
