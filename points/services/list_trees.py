"""Merkle trees of imported lists as files: 32 bytes a node, in the array order of `points.domain.merkle`.

A file is named by its root, so it is never stale; a lost or short one is made again from the rows.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import overload

from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage

from points.domain import merkle
from points.models import AllocationList, AllocationRow

NODE = 32


class StoredTree(Sequence[bytes]):
    """The nodes of an open tree file, read one by one: a proof in a tree of a million leaves touches forty."""

    def __init__(self, file: File) -> None:  # type: ignore[type-arg]  # not generic at run time
        self._file = file
        self._length = file.size // NODE

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._length))]
        if not 0 <= index < self._length:
            raise IndexError(index)
        self._file.seek(index * NODE)
        return bytes(self._file.read(NODE))


def tree_name(root: str) -> str:
    """The storage name of a root's tree."""
    return f"allocations/trees/{root[2:]}.tree"


def tree_store(tree: Sequence[bytes]) -> str:
    """Writes a tree's file, whatever is there, and returns the root."""
    root = "0x" + tree[0].hex()
    default_storage.save(tree_name(root), ContentFile(b"".join(tree)))
    return root


def _size(name: str) -> int:
    """Bytes of a stored file; 0: there is none."""
    try:
        return default_storage.size(name)
    except FileNotFoundError:
        return 0


@contextmanager
def tree_open(*, allocation_list: AllocationList) -> Iterator[StoredTree]:
    """The tree of an imported list; made again from its rows when the file is lost or not whole (seconds for a large list)."""
    assert allocation_list.root is not None, "only imported lists have a tree"  # noqa: S101
    if _size(tree_name(allocation_list.root)) != (2 * allocation_list.row_count - 1) * NODE:
        rows = AllocationRow.objects.filter(list=allocation_list).values_list("address", "amount")
        leaves = [merkle.standard_leaf(bytes.fromhex(a[2:]), amount) for a, amount in rows.iterator(chunk_size=10_000)]
        tree_store(merkle.build(leaves))
    with default_storage.open(tree_name(allocation_list.root)) as file:
        yield StoredTree(file)
