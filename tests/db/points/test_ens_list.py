"""A real airdrop: the list that the ENS token was deployed with."""

import json
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from otc.core import clock
from points.domain.merkle import LeafFormat
from points.models import AllocationRow
from points.services import allocation_lists, list_imports


@pytest.fixture(scope="module")
def published(ens_data: Path) -> dict:
    return json.loads((ens_data / "proofs.json").read_text())


def valid(leaf_format: LeafFormat, root: str, sample: dict, *, index: int | None = None) -> bool:
    return allocation_lists.proof_verify(
        leaf_format=leaf_format,
        root=root,
        address=sample["address"],
        amount=int(sample["amount"]),
        index=index,
        proof=sample["proof"],
    )


def test_all_published_proofs_verify_in_their_format_and_no_other(published):
    assert len(published["samples"]) == 24
    for sample in published["samples"]:
        assert valid(LeafFormat.PACKED, published["root"], sample)
        assert not valid(LeafFormat.STANDARD, published["root"], sample)
        assert not valid(LeafFormat.PACKED_INDEXED, published["root"], sample, index=0)
        assert not valid(LeafFormat.PACKED, published["root"], {**sample, "amount": int(sample["amount"]) + 1})


def test_the_whole_list_imports_to_the_last_base_unit(member, program, ens_data, published, record_property):
    content = (ens_data / "allocations.csv.gz").read_bytes()
    file = SimpleUploadedFile("ens.csv.gz", content)
    uploaded = allocation_lists.list_upload(user=member, program=program, file=file)
    begun = clock.monotonic()
    assert list_imports.list_import(list_id=uploaded.pk)
    seconds = clock.monotonic() - begun
    record_property("seconds", seconds)
    uploaded.refresh_from_db()
    assert (uploaded.state, uploaded.errors) == ("ready", [])
    assert uploaded.row_count == published["count"] == 137_689
    assert uploaded.total == int(published["total"]) == 25_000_000_000_000_001_930_530_982
    assert AllocationRow.objects.filter(list=uploaded).count() == 137_689
    for sample in published["samples"]:
        given = allocation_lists.list_proof(allocation_list=uploaded, address=sample["address"])
        assert given.amount == int(sample["amount"])
        assert valid(LeafFormat.STANDARD, uploaded.root, {**sample, "proof": given.proof})
    assert seconds < 30


def test_ens_proofs_through_the_api(anyone, published):
    for sample in published["samples"]:
        claim = {"format": "packed", "root": published["root"], **sample}
        assert anyone.post("merkle/verify", claim).json() == {"valid": True}
