"""A service file that avahi-daemon publishes is one that we publish, and as it does."""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import ClassVar

from mcast.dnssd.files.avahi import parse_avahi
from mcast.errors import ServicesFileError
from tests.interop.peers import AvahiHost
from tests.interop.scenes import SceneTestCase
from tests.network.lan import wait_until

HEAD = '<?xml version="1.0" standalone="no"?>\n<!DOCTYPE service-group SYSTEM "avahi-service.dtd">\n'


def file(number: int, *elements: str, kind: str = "", port: str = "<port>80</port>", after: str = "") -> str:
    """Return the text of a file whose service has the number in its name."""
    return (
        f"{HEAD}<service-group><name>n{number}</name>{after}<service>"
        f"<type>{kind or f'_t{number}._tcp'}</type>{''.join(elements)}{port}</service></service-group>"
    )


FILES = {
    1: file(1, after=" ## shown in the browser"),
    2: file(2, kind="_t2._tcp."),
    3: file(3, port=""),
    4: file(4, "<subtype>_p._sub._t4._tcp.</subtype>"),
    5: file(5, "<domain-name></domain-name>", "<host-name></host-name>"),
    6: file(6, "<domain-name>local.</domain-name>"),
    7: file(7, port="<port> 80 </port>"),
    8: file(8, port="<port></port>"),
    9: file(9, "<subtype>_p._sub._other._tcp</subtype>"),
    10: file(10, "<subtype>_p</subtype>"),
    11: file(11, kind="_a_very_long_service_type_name._tcp"),
    12: file(12, kind="_t12._TCP"),
    13: file(13, "stray"),
    14: file(14, '<txt-record>a="q"</txt-record><txt-record>b=1</txt-record>'),
    15: file(15, "<txt-record>gr\u00fc=x</txt-record>"),
    16: file(16, "<txt-record>\n path=/a\n</txt-record>"),
    17: file(17).replace("<name>", '<name replace-wildcards="true">'),
    18: file(18).replace("<name>n18</name>", '<name replace-wildcards="yes">n18 on %h</name>'),
    19: file(19, "<txt-record>=x</txt-record>"),
    # And what it refuses.
    31: file(31, "<host-name>laser</host-name>"),
    32: file(32, "<txt-record></txt-record><txt-record>=</txt-record>"),
    33: file(33, kind="_t33._sctp"),
    34: file(34, port="<port>-1</port>"),
    35: file(35, f"<txt-record>k={'x' * 300}</txt-record>"),
    36: file(36).replace("<service-group>", '<service-group version="1">'),
    37: file(37).replace("<service>", '<service protocol="IPv4">'),
}


class ServiceFileTests(SceneTestCase):
    hosts: ClassVar[int] = 1
    programs = ("avahi-daemon", "avahi-browse", "dbus-daemon")

    published: ClassVar[dict[str, tuple[str, int]]]
    """Type and port by instance name, as Avahi has published them."""

    @classmethod
    def build(cls, stack: ExitStack) -> None:
        """Have avahi-daemon publish what it takes."""
        services = {f"{number}.service": text for number, text in FILES.items()}
        avahi = AvahiHost(cls.lan.hosts[0], "kitchen", services=services, ipv6=False)
        stack.callback(avahi.close)
        for number in range(1, 20):
            avahi.daemon.wait_for(f"/{number}.service) successfully established")
        lines: list[list[str]] = []

        def all_are_told() -> bool:
            lines[:] = [line for line in avahi.browse("-a", "-k", "-r") if line[0] == "="]
            return len({line[3] for line in lines}) >= 19

        wait_until(all_are_told, "all services")
        cls.published = {
            re.sub(r"\\(\d{3})", lambda found: chr(int(found[1])), line[3]): (line[4], int(line[8]))
            for line in lines
        }

    def test_all_that_it_publishes(self) -> None:
        """With the same name, type and port."""
        ours = {}
        for number, text in FILES.items():
            try:
                (one,) = parse_avahi(text.encode(), f"{number}.service", "kitchen").services
            except ServicesFileError:
                continue
            if one.name in self.published:
                ours[one.name] = (str(one.type), one.port)
        self.assertEqual(ours, self.published)
        self.assertEqual(len(ours), 19)
