"""XML files with the place of each element in their bytes, so that one element changes and all else stays as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from labelsieve.core.errors import UserError

_TAG = re.compile(rb"""<[^\s>/]+(?:[^>"']|"[^"]*"|'[^']*')*>""")
_ENCODING = re.compile(rb"""^<\?xml[^>]*encoding\s*=\s*["']([A-Za-z0-9_.-]+)["']""")


@dataclass(eq=False)
class Element:
    """One element; `begin` and `end` are its first byte and the byte after its last one."""

    tag: str
    attributes: dict[str, str]
    begin: int
    end: int = 0
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, tag: str) -> Iterator[Element]:
        """The children of this name."""
        return (child for child in self.children if child.tag == tag)

    def first(self, *path: str) -> Element | None:
        """The first child, grandchild, ... along these names; None if there is none."""
        at: Element | None = self
        for tag in path:
            at = None if at is None else next(at.all(tag), None)
        return at

    def value(self, *path: str) -> str | None:
        """The text of `first`, stripped; None if there is none, or it is empty."""
        found = self.first(*path)
        return (found.text.strip() or None) if found is not None else None


def parsed(raw: bytes, path: str) -> Element:
    """The root element.

    Raises:
        UserError: it is not well-formed XML.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    stack: list[Element] = []
    roots: list[Element] = []

    def begin(tag: str, attributes: dict[str, str]) -> None:
        one = Element(tag, attributes, parser.CurrentByteIndex)
        (stack[-1].children if stack else roots).append(one)
        stack.append(one)

    def end(_: str) -> None:
        one = stack.pop()
        closed = tag_end(raw, one)
        empty = raw[closed - 2 : closed] == b"/>"  # <box />: the parser is behind it already
        one.end = closed if empty else raw.find(b">", parser.CurrentByteIndex) + 1

    def text(data: str) -> None:
        stack[-1].text += data

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = begin, end, text
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise UserError(f"{path} is not well-formed XML: {error}.") from error
    return roots[0]


def tag_end(raw: bytes, element: Element) -> int:
    """The byte after the first tag of an element."""
    match = _TAG.match(raw, element.begin)
    return element.end if match is None else match.end()


def with_text(raw: bytes, element: Element, text: str) -> tuple[int, int, bytes]:
    """The edit that gives an element without children another text."""
    begin = tag_end(raw, element)
    return begin, raw.rindex(b"</", begin, element.end), encoded(raw, escape(text))


def with_attribute(raw: bytes, element: Element, name: str, value: str) -> tuple[int, int, bytes]:
    """The edit that gives an attribute another value."""
    end = tag_end(raw, element)
    match = re.compile(rb"""\s%s\s*=\s*("[^"]*"|'[^']*')""" % name.encode()).search(raw, element.begin, end)
    assert match is not None
    return (*match.span(1), encoded(raw, quoteattr(value)))


def without(raw: bytes, element: Element) -> tuple[int, int, bytes]:
    """The edit that removes an element, with the blanks before it."""
    begin = element.begin
    while begin and raw[begin - 1 : begin] in (b" ", b"\t"):
        begin -= 1
    if raw[begin - 2 : begin] == b"\r\n":
        begin -= 2
    elif raw[begin - 1 : begin] == b"\n":
        begin -= 1
    return begin, element.end, b""


def last_inside(raw: bytes, element: Element, text: str) -> tuple[int, int, bytes]:
    """The edit that adds XML behind the last child of an element."""
    begin, end = tag_end(raw, element), element.end
    if begin < end:
        at = raw.rindex(b"</", begin, end)
        return at, at, encoded(raw, text)
    closed = raw.rindex(b"/", element.begin, end)  # <image ... />
    return closed, end, encoded(raw, f">\n{text}</{element.tag}>")


def edited(raw: bytes, edits: Iterable[tuple[int, int, bytes]], path: str) -> bytes:
    """The bytes with some spans replaced, which do not overlap.

    Raises:
        UserError: the file is in UTF-16, whose bytes are not edited.
    """
    edits = sorted(edits, reverse=True)
    if edits and raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UserError(f"{path} is in UTF-16; save it as UTF-8 to correct it.")
    for begin, end, new in edits:
        raw = raw[:begin] + new + raw[end:]
    return raw


def encoded(raw: bytes, text: str) -> bytes:
    """A text in the encoding of the file; what it cannot hold as numbers of characters."""
    declared = _ENCODING.match(raw)
    return text.encode("utf-8" if declared is None else declared[1].decode(), "xmlcharrefreplace")
