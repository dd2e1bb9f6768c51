from random import Random

import pytest
from eth_abi.packed import encode_packed
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from points.domain import merkle
from points.domain.merkle import LeafFormat

# The example of the README of OpenZeppelin's merkle-tree package: values, root, and the two leaves.
EXAMPLE = [("11" * 20, 5_000_000_000_000_000_000), ("22" * 20, 2_500_000_000_000_000_000)]
EXAMPLE_ROOT = "d4dee0beab2d53f2cc83e567171bd2820e49898130a22622b10ead383e90bd77"
EXAMPLE_LEAVES = [
    "eb02c421cfa48976e66dfb29120745909ea3a0f843456c263cf8f1253483e283",
    "b92c48e9d7abe27fd8dfd6b5dfdbfb1c9a463f80c712b66f3a5180a090cccafc",
]


def example_leaves() -> list[bytes]:
    return [merkle.standard_leaf(bytes.fromhex(address), amount) for address, amount in EXAMPLE]


def test_known_answer_of_the_published_example():
    leaves = example_leaves()
    assert [leaf.hex() for leaf in leaves] == EXAMPLE_LEAVES
    tree = merkle.build(leaves)
    assert tree[0].hex() == EXAMPLE_ROOT
    index = merkle.leaf_index(tree, leaves[0])
    assert [sibling.hex() for sibling in merkle.proof_at(tree, index)] == [EXAMPLE_LEAVES[1]]


def test_order_of_the_rows_does_not_matter():
    assert merkle.build(example_leaves()) == merkle.build(example_leaves()[::-1])


def test_one_leaf_is_its_own_root():
    tree = merkle.build(example_leaves()[:1])
    assert tree == example_leaves()[:1]
    assert merkle.proof_at(tree, merkle.leaf_index(tree, tree[0])) == []
    assert merkle.verify(root=tree[0], leaf=tree[0], proof=[])


@given(st.sets(st.binary(min_size=32, max_size=32), min_size=1, max_size=70), st.binary(min_size=32, max_size=32))
@settings(max_examples=100)
def test_every_leaf_of_a_tree_has_a_proof_and_no_other_has(leaves, stranger):
    tree = merkle.build(sorted(leaves))
    assert len(tree) == 2 * len(leaves) - 1
    for leaf in leaves:
        index = merkle.leaf_index(tree, leaf)
        assert tree[index] == leaf
        assert merkle.verify(root=tree[0], leaf=leaf, proof=merkle.proof_at(tree, index))
    if stranger not in leaves:
        assert merkle.leaf_index(tree, stranger) is None


@given(st.integers(2, 200), st.data())
@settings(max_examples=100)
def test_a_flipped_bit_breaks_a_proof(size, data):
    random = Random(size)  # noqa: S311 - test data
    leaves = [random.randbytes(32) for _ in range(size)]
    tree = merkle.build(leaves)
    leaf = data.draw(st.sampled_from(leaves))
    proof = merkle.proof_at(tree, merkle.leaf_index(tree, leaf))

    def flipped(value: bytes) -> bytes:
        bit = data.draw(st.integers(0, 255))
        return (int.from_bytes(value, "big") ^ 1 << bit).to_bytes(32, "big")

    at = data.draw(st.integers(0, len(proof) - 1))
    assert not merkle.verify(root=tree[0], leaf=flipped(leaf), proof=proof)
    assert not merkle.verify(root=flipped(tree[0]), leaf=leaf, proof=proof)
    assert not merkle.verify(root=tree[0], leaf=leaf, proof=[*proof[:at], flipped(proof[at]), *proof[at + 1 :]])
    assert not merkle.verify(root=tree[0], leaf=leaf, proof=proof[:-1])


@pytest.mark.parametrize(("index", "amount"), [(0, 0), (1, 1), (2**256 - 1, 2**256 - 1)])
def test_packed_leaves_are_soliditys(index, amount):
    address = bytes.fromhex("ab" * 20)
    assert merkle.leaf(LeafFormat.PACKED, address=address, amount=amount) == keccak(
        encode_packed(["address", "uint256"], [address, amount])
    )
    assert merkle.leaf(LeafFormat.PACKED_INDEXED, address=address, amount=amount, index=index) == keccak(
        encode_packed(["uint256", "address", "uint256"], [index, address, amount])
    )
