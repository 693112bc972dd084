"""The public half of a WireGuard key (RFC 7748, section 5), for databases that hold private halves alone.

Not for hosts, nor for many keys: it takes no care that its time says nothing of the key.
"""

from __future__ import annotations

import base64
import binascii

P = 2**255 - 19
BASE = 9


def public_key(private: str) -> str:
    """What `wg pubkey` prints. Raises ValueError, which does not name the key."""
    try:
        raw = bytearray(base64.b64decode(private, validate=True))
    except (binascii.Error, ValueError):
        raw = bytearray()
    if len(raw) != 32:
        raise ValueError("it is not the base64 of 32 bytes")
    raw[0] &= 248
    raw[31] = raw[31] & 127 | 64
    return base64.b64encode(_multiplied(int.from_bytes(raw, "little"), BASE).to_bytes(32, "little")).decode()


def _multiplied(scalar: int, u: int) -> int:
    """The Montgomery ladder, as the RFC writes it."""
    x2, z2, x3, z3 = 1, 0, u, 1
    swap = 0
    for bit in reversed(range(255)):
        now = scalar >> bit & 1
        if swap ^ now:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = now
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a, b * b, d * a, c * b
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, u * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return x2 * pow(z2, P - 2, P) % P
