"""Damage done to a file: each mutation is a small value, so that a failing one can be shown."""

from __future__ import annotations

import random
import struct
import zlib
from dataclasses import dataclass

KINDS = ("truncate", "flip", "overwrite", "zero", "delete", "duplicate", "splice", "random")
FIELDS = tuple(
    struct.pack(order + code, value & (1 << 8 * struct.calcsize(code)) - 1)
    for order in "<>"
    for code in "BHI"
    for value in (0, 1, 2, 7, 0x7F, 0xFF, 0x100, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF)
)


@dataclass(frozen=True)
class Mutation:
    kind: str
    at: int  # taken modulo the file's length
    length: int
    value: int


def random_mutation(rng: random.Random, n_bytes: int) -> Mutation:
    header = rng.random() < 0.5  # half of the damage goes where the structure is
    at = rng.randrange(min(n_bytes, 250) if header else n_bytes)
    return Mutation(rng.choice(KINDS), at, rng.choice((1, 2, 4, 16, 200)), rng.getrandbits(16))


def mutated(data: bytes, mutation: Mutation, other: bytes) -> bytes:
    """Apply one mutation; a splice continues with `other` from the same place on."""
    at = mutation.at % max(1, len(data))
    end = at + mutation.length
    if mutation.kind == "truncate":
        return data[:at]
    if mutation.kind == "flip":
        return (
            data[:at]
            + bytes(b ^ 1 << mutation.value % 8 for b in data[at : at + 1])
            + data[at + 1 :]
        )
    if mutation.kind == "overwrite":
        field = FIELDS[mutation.value % len(FIELDS)]
        return data[:at] + field + data[at + len(field) :]
    if mutation.kind == "zero":
        return data[:at] + bytes(mutation.length) + data[end:]
    if mutation.kind == "delete":
        return data[:at] + data[end:]
    if mutation.kind == "duplicate":
        return data[:end] + data[at:end] * (1 + mutation.value % 4) + data[end:]
    if mutation.kind == "splice":
        return data[:at] + other[at:]
    return data[:at] + random.Random(mutation.value).randbytes(mutation.length) + data[end:]


def png_checksums_repaired(data: bytes) -> bytes:
    """Make the checksums of a damaged PNG right again, so that the damage gets past them."""
    out, at = [data[:8]], 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        out += [data[at:end], struct.pack(">I", zlib.crc32(data[at + 4 : end]))]
        at = end + 4
    return b"".join([*out, data[at:]])
