"""Reads pictures back, as an XML parser sees them."""

from __future__ import annotations

from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"


def texts(picture: str) -> list[str]:
    """Return each text of an SVG picture, without what is shown on hovering alone."""
    return [
        (each.text or "") + "".join([part.tail or "" for part in each]) for each in of_kind(picture, "text")
    ]


def of_kind(picture: str, kind: str) -> list[ElementTree.Element]:
    """Return the elements of a kind; fails where the picture is not well-formed."""
    return list(ElementTree.fromstring(picture).iter(f"{SVG}{kind}"))


def kinds(picture: str) -> set[str]:
    """Return which elements a picture is made of."""
    return {each.tag.removeprefix(SVG) for each in ElementTree.fromstring(picture).iter()}
