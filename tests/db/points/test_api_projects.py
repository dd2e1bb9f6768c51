"""REST: projects, programs, allocation lists, idempotency."""

import gzip

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from otc.accounts.models import User
from otc.core.models import IdempotencyRecord
from points.api import serializers as shapes
from points.domain import merkle
from points.models import AllocationList, Market, Project
from points.services import allocation_lists
from points.tasks import import_pending_lists
from tests.support import rows
from tests.support.api_client import V1, Client, fields_of, market_body

# ---------------------------------------------------------------- projects and programs


def test_a_project_and_its_program(team, anyone, member):
    made = team.post("projects", {"slug": "ens", "name": " ENS ", "website": "https://ens.domains"})
    assert (made.status_code, made.json()["name"], made.json()["verified"]) == (201, "ENS", False)
    assert set(made.json()) == set(shapes.ProjectAnswer().fields)
    assert anyone.get("projects/ens").json() == made.json()
    assert anyone.get("projects").json() == {"results": [made.json()], "next": None}
    assert Project.objects.get().members.get().user == member

    body = {"project": "ens", "slug": "ens-airdrop", "name": "ENS airdrop", "kind": 1, "unit_name": "ENS"}
    program = team.post("programs", body)
    assert program.status_code == 201, program.content
    assert (program.json()["kind_name"], program.json()["unit_decimals"]) == ("allocation", 0)
    assert set(program.json()) == set(shapes.ProgramAnswer().fields)
    assert anyone.get("programs/ens-airdrop").json() == program.json()
    assert anyone.get("programs?project=ens").json()["results"] == [program.json()]
    assert anyone.get("programs?project=other").json()["results"] == []


def test_a_taken_slug_is_a_conflict(team, project, program):
    again = team.post("projects", {"slug": "ens", "name": "ENS"})
    assert (again.status_code, again.json()["code"], fields_of(again)) == (409, "conflict", ["slug"])
    body = {"project": "ens", "slug": "ens-airdrop", "name": "ENS", "kind": 1, "unit_name": "ENS"}
    again = team.post("programs", body)
    assert (again.status_code, fields_of(again)) == (409, ["slug"])


def test_making_needs_a_wallet_that_is_a_member(anyone, stranger, program, chain):
    rows.market(chain)
    body = {"project": "ens", "slug": "other", "name": "Other", "kind": 1, "unit_name": "x"}
    for path, sent in (("projects", {"slug": "x", "name": "X"}), ("programs", body), ("markets", market_body(chain))):
        refused = anyone.post(path, sent)
        assert (refused.status_code, refused.json()["code"]) == (401, "sign_in_required")
    for path, sent in (("programs", body), ("markets", market_body(chain))):
        refused = stranger.post(path, sent)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert stranger.upload("programs/ens-airdrop/allocation-lists", b"x,1").status_code == 403
    assert anyone.upload("programs/ens-airdrop/allocation-lists", b"x,1").status_code == 401
    staff = Client(User.objects.create_superuser("staff", "a long password"))
    assert staff.post("projects", {"slug": "x", "name": "X"}).status_code == 403
    assert Project.objects.filter(slug="x").count() == 0
    assert Market.objects.count() == 1


# ---------------------------------------------------------------- idempotency


def test_the_same_key_gives_the_same_answer_once(team):
    first = team.post("projects", {"slug": "ens", "name": "ENS"}, key="a")
    again = team.post("projects", {"slug": "ens", "name": "ENS"}, key="a")
    assert (again.status_code, again.json(), again["Idempotent-Replayed"]) == (201, first.json(), "true")
    assert "Idempotent-Replayed" not in first
    other = team.post("projects", {"slug": "ens", "name": "Other"}, key="a")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    missing = team.http.post(V1 + "projects", {"slug": "b", "name": "B"}, format="json")
    assert (missing.status_code, missing.json()["code"]) == (400, "idempotency_key_missing")
    assert Project.objects.count() == 1


def test_a_refused_request_may_be_mended_under_its_key(team, project):
    assert team.post("projects", {"slug": "ens", "name": "ENS"}, key="a").status_code == 409
    assert team.post("projects", {"slug": "ens-2", "name": "ENS"}, key="a").status_code == 201


# ---------------------------------------------------------------- lists


def test_a_list_from_upload_to_proof(team, anyone, program):
    addresses = [f"0x{number:040x}" for number in range(1, 6)]
    content = "".join(f"{address},{number}\n" for number, address in enumerate(addresses, start=10)).encode()
    path = "programs/ens-airdrop/allocation-lists"
    sent = team.upload(path, content, key="u")
    assert (sent.status_code, sent.json()["state"], sent.json()["file_size"]) == (202, "uploaded", len(content))
    assert set(sent.json()) == set(shapes.ListAnswer().fields)
    again = team.upload(path, content, key="u")
    assert (again.json(), again["Idempotent-Replayed"]) == (sent.json(), "true")
    assert AllocationList.objects.count() == 1
    list_id = sent.json()["id"]
    early = anyone.get(f"allocation-lists/{list_id}/proof?address={addresses[0]}")
    assert early.status_code == 409

    import_pending_lists()
    found = anyone.get(f"allocation-lists/{list_id}").json()
    assert (found["state"], found["row_count"], found["total"]) == ("ready", 5, "60")
    assert anyone.get(path).json()["results"] == [found]
    proof = anyone.get(f"allocation-lists/{list_id}/proof?address={addresses[2]}").json()
    assert set(proof) == set(shapes.ProofAnswer().fields)
    assert (proof["amount"], proof["position"], proof["root"]) == ("12", 2, found["root"])

    claim = {"format": "standard", **{name: proof[name] for name in ("root", "address", "amount", "proof")}}
    assert anyone.post("merkle/verify", claim).json() == {"valid": True}
    assert anyone.post("merkle/verify", {**claim, "amount": "13"}).json() == {"valid": False}
    assert anyone.post("merkle/verify", {**claim, "format": "packed"}).json() == {"valid": False}
    assert anyone.get(f"allocation-lists/{list_id}/proof?address=0x{'99' * 20}").status_code == 404


def test_a_bad_list_says_which_lines(team, anyone, program):
    sent = team.upload("programs/ens-airdrop/allocation-lists", gzip.compress(b"nonsense\n0x12,1\n"), name="x.csv.gz")
    import_pending_lists()
    found = anyone.get(f"allocation-lists/{sent.json()['id']}").json()
    assert (found["state"], found["error_count"], [error["line"] for error in found["errors"]]) == (
        "refused",
        2,
        [1, 2],
    )


def test_packed_and_indexed_proofs(anyone):
    address = bytes.fromhex("ab" * 20)
    for leaf_format, index in (("packed", None), ("packed_indexed", 7)):
        leaf = merkle.leaf(merkle.LeafFormat(leaf_format), address=address, amount=5, index=index or 0)
        sibling = b"\x11" * 32
        claim = {
            "format": leaf_format,
            "root": "0x" + merkle.node(leaf, sibling).hex(),
            "address": "0x" + address.hex(),
            "amount": "5",
            "proof": ["0x" + sibling.hex()],
        }
        if index is not None:
            refused = anyone.post("merkle/verify", claim)
            assert (refused.status_code, fields_of(refused)) == (400, ["index"])
            claim["index"] = str(index)
        assert anyone.post("merkle/verify", claim).json() == {"valid": True}


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("list.exe", b"x", 422),
        ("list.csv", b"", 400),
        ("list.csv", b"x" * 200_000, 413),
        ("a" * 250 + ".csv", b"x", 400),
    ],
)
def test_uploads_that_are_refused(team, program, monkeypatch, name, content, status):
    monkeypatch.setattr(allocation_lists, "FILE_MAX", 100_000)
    refused = team.upload("programs/ens-airdrop/allocation-lists", content, name=name)
    assert refused.status_code == status
    assert fields_of(refused) == ["file"]
    assert not AllocationList.objects.exists()
    assert not IdempotencyRecord.objects.exists()


def test_uploads_of_another_kind(team, program):
    path = "programs/ens-airdrop/allocation-lists"
    assert team.post(path, {"file": "x"}).status_code == 415
    text = team.http.post(V1 + path, {"file": "text"}, format="multipart", headers={"Idempotency-Key": "t"})
    assert (text.status_code, fields_of(text)) == (400, ["file"])
    none = team.http.post(V1 + path, {}, format="multipart", headers={"Idempotency-Key": "t"})
    assert (none.status_code, fields_of(none)) == (400, ["file"])
    file = SimpleUploadedFile("list.csv", b"x,1")
    more = team.http.post(V1 + path, {"file": file, "x": "1"}, format="multipart", headers={"Idempotency-Key": "t"})
    assert (more.status_code, fields_of(more)) == (400, ["x"])
    garbage = team.http.post(
        V1 + path, b"garbage", content_type="multipart/form-data", headers={"Idempotency-Key": "t"}
    )
    assert garbage.status_code == 400
    assert team.upload("programs/none/allocation-lists", b"x,1").status_code == 404
    assert not AllocationList.objects.exists()
