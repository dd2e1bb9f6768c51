"""Chain values through PostgreSQL: what goes in comes out, and no other writer can store garbage."""

import pytest
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import F, Max, Q, Sum, Value

from otc.core.fields import UINT256_MAX, Uint256Field
from otc.core.models import Chain
from points.models import AllocationList, AllocationRow, PayToken, Program, Project

ADDRESSES = ["0x" + byte * 20 for byte in ("00", "0a", "Fe", "ff")]


@pytest.fixture
def allocation_list(django_user_model):
    project = Project.objects.create(slug="p", name="P")
    program = Program.objects.create(project=project, slug="s", name="S", kind=0, unit_name="point")
    return AllocationList.objects.create(
        program=program,
        uploaded_by=django_user_model.objects.for_wallet(ADDRESSES[1]),
        file_name="a.csv",
        file_sha256="0x" + "11" * 32,
        file_size=1,
    )


@pytest.fixture
def rows(allocation_list):
    amounts = [0, 1, 10**30, UINT256_MAX - 10**31]
    return AllocationRow.objects.bulk_create(
        AllocationRow(list=allocation_list, position=i, address=address, amount=amount)
        for i, (address, amount) in enumerate(zip(ADDRESSES, amounts, strict=True))
    )


@pytest.mark.django_db
class TestHex:
    def test_round_trip_in_lower_case(self, rows):
        assert list(AllocationRow.objects.order_by("position").values_list("address", flat=True)) == [
            address.lower() for address in ADDRESSES
        ]

    def test_lookups_take_any_spelling(self, rows):
        assert AllocationRow.objects.get(address="0x" + "FE" * 20).position == 2
        assert AllocationRow.objects.get(address=bytes.fromhex("fe" * 20)).position == 2
        assert set(AllocationRow.objects.filter(address__in=ADDRESSES[2:]).values_list("position", flat=True)) == {2, 3}
        assert AllocationRow.objects.filter(address=F("address")).count() == 4
        assert not AllocationRow.objects.filter(address=None).exists()

    def test_a_filter_on_nonsense_names_the_column(self):
        with pytest.raises(ValidationError) as refused:
            AllocationRow.objects.filter(address="0x12").exists()
        assert list(refused.value.message_dict) == ["address"]

    @pytest.mark.parametrize("size", [0, 19, 21, 32])
    def test_raw_sql_cannot_store_another_length(self, chain, size):
        refused = pytest.raises(IntegrityError, match="escrow_address_check")
        with refused, transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("UPDATE core_chain SET escrow_address = %s", [b"x" * size])

    def test_null_is_none(self, chain):
        assert Chain.objects.get().head_hash is None


@pytest.mark.django_db
class TestUint256:
    def test_round_trip_as_int(self, rows):
        for row in AllocationRow.objects.order_by("position"):
            assert (row.amount, type(row.amount)) == (rows[row.position].amount, int)

    def test_comparisons_and_arithmetic_are_exact(self, rows):
        assert AllocationRow.objects.get(amount=10**30).position == 2
        assert AllocationRow.objects.filter(amount__gt=10**30 - 1, amount__lte=10**30).count() == 1
        assert AllocationRow.objects.filter(amount__in=[1, "0"]).count() == 2
        AllocationRow.objects.filter(position__lt=3).update(amount=F("amount") + 1)
        assert list(AllocationRow.objects.filter(position__lt=3).order_by("position").values_list("amount", flat=True)) == [
            1,
            2,
            10**30 + 1,
        ]  # fmt: skip

    def test_aggregates_are_int(self, rows):
        found = AllocationRow.objects.filter(position__lt=3).aggregate(
            total=Sum("amount"), top=Max("amount"), none=Sum("amount", filter=Q(position=99))
        )
        assert (found["total"], type(found["total"])) == (10**30 + 1, int)
        assert (found["top"], type(found["top"]), found["none"]) == (10**30, int, None)

    def test_an_expression_is_int_when_it_says_so(self, rows):
        doubled = AllocationRow.objects.annotate(
            doubled=F("amount") * Value(2, output_field=Uint256Field()),
        ).get(position=2)
        assert int(doubled.doubled) == 2 * 10**30

    @pytest.mark.parametrize("literal", ["-1", str(UINT256_MAX + 1), "'NaN'"])
    def test_raw_sql_cannot_store_what_a_uint256_cannot_hold(self, rows, literal):
        with pytest.raises((IntegrityError, DataError)), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE points_allocationrow SET amount = {literal}")  # noqa: S608 - a literal of this test

    def test_a_fraction_is_not_stored(self, rows):
        with pytest.raises(ValidationError):
            AllocationRow.objects.filter(position=1).update(amount="1.5")

    def test_the_widest_number_is_refused_by_the_check(self, allocation_list):
        with pytest.raises(IntegrityError), transaction.atomic():
            AllocationRow.objects.create(list=allocation_list, position=9, address=ADDRESSES[0], amount=UINT256_MAX + 1)


@pytest.mark.django_db
def test_decimals_above_36_are_refused(chain):
    with pytest.raises(IntegrityError, match="pay_token_decimals_sane"), transaction.atomic():
        PayToken.objects.create(chain=chain, address=ADDRESSES[1], symbol="X", decimals=37)
