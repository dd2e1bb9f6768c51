"""Fast ECDSA for published test keys: the differential signs hundreds of papers. Never for a key that guards anything."""

from functools import cache

from eth_utils.crypto import keccak

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
Point = tuple[int, int]


def _add(a: Point, b: Point) -> Point:
    """Of two points of the curve, neither the inverse of the other."""
    rise, run = (3 * a[0] * a[0], 2 * a[1]) if a == b else (b[1] - a[1], b[0] - a[0])
    slope = rise * pow(run, -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


@cache
def _table() -> list[list[Point]]:
    """d * 16^w * G for each digit d of each place w."""
    rows, base = [], G
    for _ in range(64):
        row = [base]
        for _ in range(15):
            row.append(_add(row[-1], base))
        rows.append(row[:15])
        base = row[15]
    return rows


def _times_g(k: int) -> Point:
    points = [row[digit - 1] for place, row in enumerate(_table()) if (digit := k >> 4 * place & 15)]
    total = points[0]
    for point in points[1:]:
        total = _add(total, point)
    return total


def sign(key: bytes, digest: bytes) -> bytes:
    """65 bytes, low s, v 27 or 28."""
    k = int.from_bytes(keccak(key + digest)) % N
    x, y = _times_g(k)
    r = x % N
    s = (int.from_bytes(digest) + r * int.from_bytes(key)) * pow(k, -1, N) % N
    odd = y & 1
    if s > N // 2:
        s, odd = N - s, 1 - odd
    return r.to_bytes(32) + s.to_bytes(32) + bytes([27 + odd])
