"""Allocation lists: uploaded files, and what becomes of them. `list_imports` reads them."""

import hashlib
from typing import TYPE_CHECKING, Final

from django.core.files.storage import default_storage
from django.db import transaction

from otc.accounts.models import User
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import ZERO_ADDRESS
from points.domain import merkle
from points.domain.merkle import LeafFormat
from points.models import AllocationList, AllocationRow, Program
from points.selectors.allocation_lists import AllocationProof
from points.services.list_trees import tree_open
from points.services.projects import project_member_require

if TYPE_CHECKING:
    from django.core.files.base import File
    from django.core.files.uploadedfile import UploadedFile

FILE_MAX: Final = 64 * 1024 * 1024  # bytes
SUFFIXES: Final = (".csv", ".csv.gz")
NAME_MAX: Final = 200


def file_sha256(file: "File[bytes]") -> str:
    """Of the whole file, from its beginning."""
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    return "0x" + digest.hexdigest()


def list_upload_check(*, user: User, program: Program, file: "UploadedFile[bytes]") -> None:
    """What can be refused before reading the file. Errors: FORBIDDEN, LIST_INVALID, TOO_LARGE."""
    project_member_require(project=program.project, user=user)
    name = file.name or ""
    if not name.lower().endswith(SUFFIXES) or len(name) > NAME_MAX or not name.isprintable():
        raise DomainError(
            ErrorCode.LIST_INVALID,
            f"The file's name ends in .csv or .csv.gz and has at most {NAME_MAX} characters.",
            field="file",
        )
    if not file.size:
        raise DomainError(ErrorCode.LIST_INVALID, "The file is empty.", field="file")
    if file.size > FILE_MAX:
        raise DomainError(
            ErrorCode.TOO_LARGE, f"A list is at most {FILE_MAX // 2**20} MiB: compress it with gzip.", field="file"
        )


def list_upload(*, user: User, program: Program, file: "UploadedFile[bytes]") -> AllocationList:
    """Stores a file (`address,amount` rows in base units, or gzip of them) for the import, which the beat starts in seconds.

    By a member of the program's project. Errors: those of `list_upload_check`.
    """
    list_upload_check(user=user, program=program, file=file)
    digest = file_sha256(file)
    file.seek(0)
    # Stored under its content, so that a repeated upload is the same file and a rolled back one leaves nothing new. Written even
    # where there is one: that may be damaged.
    suffix = ".csv.gz" if (file.name or "").lower().endswith(".gz") else ".csv"
    stored = default_storage.save(f"allocations/{digest[2:]}{suffix}", file)
    with transaction.atomic():
        return AllocationList.objects.create(
            program=program,
            uploaded_by=user,
            file=stored,
            file_name=file.name or "",
            file_sha256=digest,
            file_size=file.size or 0,
        )


def list_proof(*, allocation_list: AllocationList, address: str) -> AllocationProof:
    """Amount, position and proof of an address under the list's root. Errors: CONFLICT (not imported), NOT_FOUND."""
    if allocation_list.state != AllocationList.State.READY or allocation_list.root is None:
        raise DomainError(
            ErrorCode.CONFLICT, f"The list is not imported: {allocation_list.get_state_display().lower()}."
        )
    row = AllocationRow.objects.filter(list=allocation_list, address=address).first()
    if row is None or address == ZERO_ADDRESS:
        raise DomainError(ErrorCode.NOT_FOUND, "This address is not on the list.", field="address")
    leaf = merkle.standard_leaf(bytes.fromhex(address[2:]), row.amount)
    with tree_open(allocation_list=allocation_list) as tree:
        index = merkle.leaf_index(tree, leaf)
        assert index is not None, "the tree is made of the list's rows"  # noqa: S101
        proof = merkle.proof_at(tree, index)
    return AllocationProof(
        root=allocation_list.root,
        address=address,
        amount=row.amount,
        position=row.position,
        proof=["0x" + sibling.hex() for sibling in proof],
    )


def proof_verify(
    *, leaf_format: LeafFormat, root: str, address: str, amount: int, index: int | None, proof: list[str]
) -> bool:
    """Whether a proof leads to a root, in one of three leaf formats. Errors: INVALID when a format lacks its index."""
    if leaf_format is LeafFormat.PACKED_INDEXED and index is None:
        raise DomainError(ErrorCode.INVALID, "The format packed_indexed needs the row's index.", field="index")
    leaf = merkle.leaf(leaf_format, address=bytes.fromhex(address[2:]), amount=amount, index=index or 0)
    siblings = [bytes.fromhex(sibling[2:]) for sibling in proof]
    return merkle.verify(root=bytes.fromhex(root[2:]), leaf=leaf, proof=siblings)
