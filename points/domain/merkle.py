"""Merkle trees of allocation lists: OpenZeppelin's standard tree, and proofs in three leaf formats.

The standard tree (npm package @openzeppelin/merkle-tree): a leaf is the double keccak of its ABI encoding, leaves are
sorted, a node is the keccak of its two children in sorted order. It lies in an array of 2n - 1 nodes with the root first,
the children of i at 2i + 1 and 2i + 2, and the leaves at the end in reverse order.
"""

from bisect import bisect_left
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from eth_hash.auto import keccak

PROOF_MAX: Final = 64  # nodes; a tree of 2^64 leaves


class LeafFormat(StrEnum):
    """How a leaf is made of (index,) address and amount."""

    STANDARD = "standard"
    PACKED = "packed"
    PACKED_INDEXED = "packed_indexed"


def standard_leaf(address: bytes, amount: int) -> bytes:
    """keccak256(keccak256(abi.encode(address, uint256))); `address` of 20 bytes."""
    return keccak(keccak(bytes(12) + address + amount.to_bytes(32, "big")))


def packed_leaf(address: bytes, amount: int) -> bytes:
    """keccak256(abi.encodePacked(address, uint256))."""
    return keccak(address + amount.to_bytes(32, "big"))


def packed_indexed_leaf(index: int, address: bytes, amount: int) -> bytes:
    """keccak256(abi.encodePacked(uint256, address, uint256))."""
    return keccak(index.to_bytes(32, "big") + address + amount.to_bytes(32, "big"))


def id_leaf(right: int) -> bytes:
    """keccak256(keccak256(abi.encode(uint256))): one id of a list of rights, as the rights escrow checks it."""
    return keccak(keccak(right.to_bytes(32, "big")))


def leaf(leaf_format: LeafFormat, *, address: bytes, amount: int, index: int = 0) -> bytes:
    """The leaf in a format; `index` counts for `packed_indexed` alone."""
    if leaf_format is LeafFormat.STANDARD:
        return standard_leaf(address, amount)
    if leaf_format is LeafFormat.PACKED:
        return packed_leaf(address, amount)
    return packed_indexed_leaf(index, address, amount)


def node(left: bytes, right: bytes) -> bytes:
    """A parent: keccak256 of its children in sorted order."""
    return keccak(left + right if left < right else right + left)


def verify(*, root: bytes, leaf: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` leads from `leaf` to `root`."""
    current = leaf
    for sibling in proof:
        current = node(current, sibling)
    return current == root


def build(leaves: Sequence[bytes]) -> list[bytes]:
    """The tree of one leaf or more, as the array described above. 2n - 1 nodes, n - 1 hashes."""
    ordered = sorted(leaves, reverse=True)
    inner = len(ordered) - 1
    tree = [b""] * inner + ordered
    for i in range(inner - 1, -1, -1):
        left, right = tree[2 * i + 1], tree[2 * i + 2]
        tree[i] = keccak(left + right if left < right else right + left)
    return tree


def leaf_index(tree: Sequence[bytes], wanted: bytes) -> int | None:
    """Where `wanted` lies among the leaves of a tree, or None."""
    leaves = (len(tree) + 1) // 2
    last = len(tree) - 1
    # The k-th smallest leaf stands at last - k.
    k = bisect_left(range(leaves), wanted, key=lambda i: tree[last - i])
    return last - k if k < leaves and tree[last - k] == wanted else None


def proof_at(tree: Sequence[bytes], index: int) -> list[bytes]:
    """The siblings on the way from node `index` to the root."""
    proof = []
    while index > 0:
        proof.append(tree[index + 1 if index % 2 else index - 1])
        index = (index - 1) // 2
    return proof
