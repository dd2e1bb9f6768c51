import gzip
import hashlib
from pathlib import Path
from random import Random

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, connections

from otc.accounts.models import User
from otc.core import clock, locks
from otc.core.errors import DomainError, ErrorCode
from points.domain import merkle
from points.models import AllocationList, AllocationRow
from points.services import allocation_lists, list_imports
from points.services.list_trees import tree_name
from points.tasks import import_pending_lists
from tests.support.threads import run_together


def content_of(count: int, seed: int = 1) -> bytes:
    random = Random(seed)  # noqa: S311 - test data
    lines = ["address,amount"] + [f"0x{random.randbytes(20).hex()},{random.randrange(1, 10**22)}" for _ in range(count)]
    return "\n".join(lines).encode() + b"\n"


def upload(member: User, program, content: bytes, name: str = "list.csv") -> AllocationList:
    file = SimpleUploadedFile(name, content, content_type="text/csv")
    return allocation_lists.list_upload(user=member, program=program, file=file)


def imported(member, program, content: bytes, name: str = "list.csv") -> AllocationList:
    uploaded = upload(member, program, content, name)
    import_pending_lists()
    uploaded.refresh_from_db()
    return uploaded


def test_a_good_list(member, program):
    content = content_of(300)
    done = imported(member, program, content)
    assert (done.state, done.row_count, done.error_count) == ("ready", 300, 0)
    assert done.bytes_read == done.file_size == len(content)
    assert done.file_sha256 == "0x" + hashlib.sha256(content).hexdigest()
    rows = list(AllocationRow.objects.filter(list=done).order_by("position").values_list("address", "amount"))
    assert [f"{address},{amount}" for address, amount in rows] == content.decode().split()[1:]
    assert done.total == sum(amount for _, amount in rows)
    tree = merkle.build([merkle.standard_leaf(bytes.fromhex(address[2:]), amount) for address, amount in rows])
    assert done.root == "0x" + tree[0].hex()


def test_gzip_gives_the_same(member, program):
    content = content_of(50)
    plain = imported(member, program, content)
    packed = imported(member, program, gzip.compress(content), "list.CSV.GZ")
    assert packed.state == "ready"
    assert (packed.root, packed.total, packed.row_count) == (plain.root, plain.total, plain.row_count)
    assert packed.bytes_read == packed.file_size < plain.file_size


def test_one_bad_row_refuses_the_whole_list(member, program):
    lines = content_of(20).decode().split()
    lines[7] = "0x12,5"
    lines.append(lines[3])
    done = imported(member, program, "\n".join(lines).encode())
    assert (done.state, done.row_count, done.root, done.total) == ("refused", 0, None, 0)
    assert done.error_count == 2
    assert [error["line"] for error in done.errors] == [8, 22]
    assert "already on line 4" in done.errors[1]["detail"]
    assert not AllocationRow.objects.exists()


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"\n\n", "no rows"),
        (b"address,amount\n", "no rows"),
        (gzip.compress(content_of(500))[:-30], "damaged"),
        (b"\x1f\x8bnonsense", "damaged"),
        (gzip.compress(b"0" * 5_000_000), "longer than"),
        (b"\x00" * 2000, "longer than"),
    ],
)
def test_files_that_are_no_list(member, program, content, rule):
    done = imported(member, program, content)
    assert done.state == "refused"
    assert rule in done.errors[0]["detail"]


def test_a_decompression_bomb_stops_early(member, program, monkeypatch):
    monkeypatch.setattr(list_imports, "TEXT_MAX", 1_000_000)
    done = imported(member, program, gzip.compress(b" " * 500 + b"\n", mtime=0) * 5000, "bomb.csv.gz")
    assert done.state == "refused"
    assert "MiB of text" in done.errors[0]["detail"]


def test_an_ended_list_is_not_imported_again(member, program):
    done = imported(member, program, content_of(3))
    assert list_imports.lists_pending() == []
    assert not list_imports.list_import(list_id=done.pk)
    assert AllocationRow.objects.count() == 3


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("list.txt", b"x", ErrorCode.LIST_INVALID),
        ("list.csv", b"", ErrorCode.LIST_INVALID),
        ("a" * 197 + ".csv", b"x", ErrorCode.LIST_INVALID),
        ("list.csv", None, ErrorCode.TOO_LARGE),
    ],
)
def test_uploads_that_are_refused_leave_nothing(member, program, monkeypatch, name, content, code):
    if content is None:
        monkeypatch.setattr(allocation_lists, "FILE_MAX", 5)
        content = b"123456"
    with pytest.raises(DomainError) as refused:
        upload(member, program, content, name)
    assert (refused.value.code, refused.value.field) == (code, "file")
    assert not AllocationList.objects.exists()
    assert not default_storage.exists("allocations")


def test_only_members_upload(program):
    with pytest.raises(DomainError) as refused:
        upload(User.objects.for_wallet("0x" + "dd" * 20), program, b"x,1")
    assert refused.value.code == ErrorCode.FORBIDDEN


# ---------------------------------------------------------------- proofs


def test_every_row_has_a_proof_even_when_the_tree_file_is_lost(member, program):
    done = imported(member, program, content_of(33))
    for row in AllocationRow.objects.filter(list=done):
        given = allocation_lists.list_proof(allocation_list=done, address=row.address)
        assert (given.amount, given.position, given.root) == (row.amount, row.position, done.root)
        assert proof_holds(given)
    default_storage.delete(tree_name(done.root))
    assert allocation_lists.list_proof(allocation_list=done, address=row.address) == given


def test_no_proof_of_strangers_or_before_the_import(member, program):
    waiting = upload(member, program, content_of(2))
    with pytest.raises(DomainError) as refused:
        allocation_lists.list_proof(allocation_list=waiting, address="0x" + "01" * 20)
    assert refused.value.code == ErrorCode.CONFLICT
    list_imports.list_import(list_id=waiting.pk)
    waiting.refresh_from_db()
    with pytest.raises(DomainError) as refused:
        allocation_lists.list_proof(allocation_list=waiting, address="0x" + "01" * 20)
    assert refused.value.code == ErrorCode.NOT_FOUND


# ---------------------------------------------------------------- files that are not whole


def cut(name: str, size: int) -> None:
    """What a process that died while it wrote in place would leave under a name."""
    with default_storage.open(name) as file:
        whole = file.read()
    assert size < len(whole)
    (Path(settings.MEDIA_ROOT) / name).write_bytes(whole[:size])


def test_a_short_file_is_refused_and_the_next_upload_replaces_it(member, program):
    content = content_of(20)
    waiting = upload(member, program, content)
    cut(waiting.file.name, len(content) - 5)  # inside the last amount: a list all the same, with another root
    assert list_imports.list_import(list_id=waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.root, waiting.row_count, waiting.error_count) == ("refused", None, 0, 1)
    assert waiting.errors[0]["line"] == 0
    assert "Upload it again" in waiting.errors[0]["detail"]
    assert not AllocationRow.objects.exists()
    assert not default_storage.exists("allocations/trees")
    done = imported(member, program, content)
    assert (done.state, done.row_count, done.file.name) == ("ready", 20, waiting.file.name)
    assert done.root == root_of(content)


def test_a_short_file_of_an_earlier_upload_is_not_used(member, program):
    content = content_of(20)
    first = upload(member, program, content)
    cut(first.file.name, len(content) - 5)
    again = upload(member, program, content)
    import_pending_lists()
    for row in (first, again):
        row.refresh_from_db()
        assert (row.state, row.row_count, row.root) == ("ready", 20, root_of(content))


@pytest.mark.parametrize("left", [0, 1000, 1024])
def test_a_short_tree_is_written_anew(member, program, left):
    content = content_of(33)
    done = imported(member, program, content)
    cut(tree_name(done.root), left)
    row = AllocationRow.objects.filter(list=done).first()
    proof = allocation_lists.list_proof(allocation_list=done, address=row.address)
    assert proof_holds(proof)
    assert default_storage.size(tree_name(done.root)) == 65 * 32
    cut(tree_name(done.root), left)
    again = imported(member, program, content)
    assert again.state == "ready"
    assert default_storage.size(tree_name(done.root)) == 65 * 32
    assert allocation_lists.list_proof(allocation_list=again, address=row.address) == proof


def root_of(content: bytes) -> str:
    rows = [line.split(",") for line in content.decode().split()[1:]]
    tree = merkle.build([merkle.standard_leaf(bytes.fromhex(address[2:]), int(amount)) for address, amount in rows])
    return "0x" + tree[0].hex()


def proof_holds(given) -> bool:
    return allocation_lists.proof_verify(
        leaf_format=merkle.LeafFormat.STANDARD,
        root=given.root,
        address=given.address,
        amount=given.amount,
        index=None,
        proof=given.proof,
    )


# ---------------------------------------------------------------- crashes and company


def test_an_import_that_died_starts_over(member, program, monkeypatch):
    waiting = upload(member, program, content_of(20))
    with monkeypatch.context() as patch:
        patch.setattr(list_imports, "_store", lambda *_, **__: (_ for _ in ()).throw(MemoryError))
        with pytest.raises(MemoryError):
            list_imports.list_import(list_id=waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.attempts) == ("importing", 1)
    assert list_imports.list_import(list_id=waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.attempts, waiting.row_count) == ("ready", 2, 20)


def test_an_import_that_always_dies_is_given_up(member, program):
    waiting = upload(member, program, content_of(2))
    AllocationList.objects.update(attempts=list_imports.ATTEMPTS_MAX, state="importing")
    assert list_imports.list_import(list_id=waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.error_count) == ("refused", 1)


@pytest.mark.django_db(transaction=True)
def test_rows_are_stored_whole_or_not_at_all(member, program, monkeypatch):
    monkeypatch.setattr(list_imports, "COPY_ROWS", 7)
    waiting = upload(member, program, content_of(20))
    real, calls = list_imports.io.StringIO, []

    class Dying:
        """Stands for the module `io` inside the import: the third chunk never comes."""

        BufferedReader = list_imports.io.BufferedReader

        @staticmethod
        def StringIO(text):  # noqa: N802 - as io's
            calls.append(text)
            if len(calls) == 3:
                raise MemoryError
            return real(text)

    with monkeypatch.context() as patch:
        patch.setattr(list_imports, "io", Dying)
        with pytest.raises(MemoryError):
            list_imports.list_import(list_id=waiting.pk)
    assert AllocationRow.objects.count() == 0
    assert list_imports.list_import(list_id=waiting.pk)
    assert AllocationRow.objects.count() == 20


@pytest.mark.django_db(transaction=True)
def test_an_import_in_another_process_is_left_alone(member, program):
    waiting = upload(member, program, content_of(2))

    def elsewhere():
        other = connections.create_connection("default")
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [0x0F0E, _key(f"allocation-list:{waiting.pk}")])
        return other

    other = elsewhere()
    assert not list_imports.list_import(list_id=waiting.pk)
    other.close()  # as when the process is killed
    with connection.cursor() as cursor:  # waits until the server has noticed
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", [0x0F0E, _key(f"allocation-list:{waiting.pk}")])
        cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [0x0F0E, _key(f"allocation-list:{waiting.pk}")])
    assert list_imports.list_import(list_id=waiting.pk)


def _key(name: str) -> int:
    return locks.crc32(name.encode()) - 2**31


@pytest.mark.django_db(transaction=True)
def test_two_imports_at_once_store_once(member, program):
    waiting = upload(member, program, content_of(200))

    def job():
        return list_imports.list_import(list_id=waiting.pk)

    assert sorted(run_together([job] * 3)) == [False, False, True]
    assert AllocationRow.objects.count() == 200


@pytest.mark.django_db(transaction=True)
def test_readers_see_progress_while_it_reads(member, program, monkeypatch):
    monkeypatch.setattr(list_imports, "LINES_PER_LOOK", 10)
    monkeypatch.setattr(list_imports, "PROGRESS_SECONDS", 0.0)
    waiting = upload(member, program, content_of(100))
    other = connections.create_connection("default")
    seen = []
    real = list_imports._show_progress

    def show(found, **values):
        real(found, **values)
        assert not connection.in_atomic_block
        with other.cursor() as cursor:
            cursor.execute("SELECT state, bytes_read, row_count FROM points_allocationlist WHERE id = %s", [found.pk])
            seen.append(cursor.fetchone())

    monkeypatch.setattr(list_imports, "_show_progress", show)
    list_imports.list_import(list_id=waiting.pk)
    other.close()
    assert {state for state, _, _ in seen} == {"importing"}
    counts = [count for _, _, count in seen]
    assert counts == [*range(9, 100, 10), 100]  # after lines 10, 20, ... less the header
    assert seen[-1] == ("importing", waiting.file_size, 100)


def test_the_clock_is_looked_at_now_and_then_only(member, program, monkeypatch):
    looks = []
    monkeypatch.setattr(clock, "monotonic", lambda: looks.append(1) or float(len(looks)))
    imported(member, program, content_of(4100))
    assert len(looks) < 10
