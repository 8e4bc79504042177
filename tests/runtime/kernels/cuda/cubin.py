"""What a cubin says of its functions: an ELF file with a section .nv.info of attributes for each function's symbol.

Formats and attributes are those that NVIDIA's cuobjdump --dump-elf prints: EIFMT_SVAL, EIATTR_REGCOUNT, EIATTR_FRAME_SIZE.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import iter_unpack, unpack_from

SIZED = 4  # EIFMT_SVAL: an attribute whose 16-bit value is the number of bytes that follow
FRAME_SIZE, REGISTER_COUNT = 0x11, 0x2F


@dataclass(frozen=True)
class Section:
    name: str
    size: int
    data: bytes


@dataclass(frozen=True)
class Resources:
    """What a function takes.

    Parameters
    ----------
    frame: bytes of local memory of a thread: its arrays, and whatever did not fit into registers.
    shared: bytes of shared memory of a block.
    """

    registers: int
    frame: int
    shared: int


def sections(cubin: bytes) -> Iterator[Section]:
    """The sections of a 64-bit ELF file."""
    (table,) = unpack_from("<Q", cubin, 0x28)
    entry, count, names = unpack_from("<HHH", cubin, 0x3A)
    heads = [unpack_from("<IIQQQQ", cubin, table + index * entry) for index in range(count)]
    for name, kind, _, _, offset, size in heads:
        start = heads[names][4] + name
        no_bits = kind == 8
        yield Section(cubin[start : cubin.index(b"\0", start)].decode(), size, b"" if no_bits else cubin[offset : offset + size])


def attributes(info: bytes) -> Iterator[tuple[int, int, int]]:
    """(attribute, symbol, value) of those that have a number for a symbol."""
    at = 0
    while at < len(info):
        form, attribute, size = unpack_from("<BBH", info, at)
        at += 4
        if form == SIZED:
            if size == 8:
                yield attribute, *unpack_from("<II", info, at)
            at += size


def resources(cubin: bytes) -> dict[str, Resources]:
    """Each kernel's, by its symbol."""
    found = {section.name: section for section in sections(cubin)}
    names = found[".strtab"].data
    symbols = [names[name : names.index(b"\0", name)].decode() for name, *_ in iter_unpack("<IBBHQQ", found[".symtab"].data)]
    values: dict[int, dict[str, int]] = {FRAME_SIZE: {}, REGISTER_COUNT: {}}
    for attribute, symbol, value in attributes(found[".nv.info"].data):
        if attribute in values:
            values[attribute][symbols[symbol]] = value
    shared = {name: found[f".nv.shared.{name}"].size for name in symbols if f".nv.shared.{name}" in found}
    frames = values[FRAME_SIZE]
    return {name: Resources(count, frames[name], shared.get(name, 0)) for name, count in values[REGISTER_COUNT].items()}
