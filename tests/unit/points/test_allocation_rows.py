import pytest

from points.domain.allocations import AllocationRows, FileRefused, checksummed
from points.domain.merkle import standard_leaf

A = "0x" + "ab" * 20
MIXED = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # an example of EIP-55


def read(*lines: str | bytes) -> AllocationRows:
    rows = AllocationRows()
    for number, line in enumerate(lines, start=1):
        rows.add_line(number, line if isinstance(line, bytes) else line.encode())
    return rows


def test_good_rows():
    rows = read("address,amount", f"{A},1", f"{MIXED}, 2\r\n", f'"0x{"CD" * 20}","3"\n', "", "\n")
    assert not rows.error_count
    assert rows.amounts == [1, 2, 3]
    assert rows.total == 6
    assert rows.leaves[0] == standard_leaf(bytes.fromhex("ab" * 20), 1)
    assert rows.addresses[2].hex() == "cd" * 20


def test_a_header_is_not_needed_and_a_byte_order_mark_is_passed_over():
    assert read(b"\xef\xbb\xbf" + f"{A},1".encode()).amounts == [1]
    assert read(b"\xef\xbb\xbfAddress,Amount\r\n", f"{A},1").amounts == [1]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (A, "found 1"),
        (f"{A},1,2", "found 3"),
        ("address,amount", "no address"),
        (f"{A[:-1]},1", "no address"),
        (f"{A}0,1", "no address"),
        (f"0x{'zz' * 20},1", "no address"),
        (f"{A[2:]},1", "no address"),
        ("vitalik.eth,1", "no address"),
        (f"{A},", "no amount"),
        (f"{A},-1", "no amount"),
        (f"{A},+1", "no amount"),
        (f"{A},1.5", "no amount"),
        (f"{A},1e18", "no amount"),
        (f"{A},0x10", "no amount"),
        (f"{A},1_000", "no amount"),
        (f"{A},\N{ARABIC-INDIC DIGIT ONE}", "no amount"),
        (f"{A},0", "zero"),
        (f"{A},{2**256}", "exceeds"),
        (f"{A},{10**90}", "no amount"),
        (f"0x{'00' * 20},1", "zero address"),
        (MIXED.replace("aA", "Aa") + ",1", "checksum"),
        (f"{A},1\x00", "no amount"),
        (b"\xff\xfe,1", "no address"),
    ],
)
def test_each_rule(line, rule):
    rows = read("address,amount", line)
    assert rows.error_count == 1
    number, detail = rows.errors[0]
    assert number == 2
    assert rule in detail


def test_the_largest_amount_is_taken_and_an_overflowing_total_is_not():
    rows = read(f"{A},{2**256 - 1}")
    assert not rows.error_count
    rows.add_line(2, b"0x" + b"cd" * 20 + b",1")
    assert "total" in rows.errors[0][1]


def test_duplicates_name_the_first_line_whatever_the_case():
    rows = read(f"{MIXED},1", f"{A},1", f"{MIXED.lower()},2")
    assert rows.errors == [(3, f"{MIXED.lower()} is already on line 1: add its amounts up in one row.")]


def test_the_first_hundred_errors_are_kept_and_all_are_counted():
    rows = read(*["nonsense"] * 250)
    assert rows.error_count == 250
    assert [line for line, _ in rows.errors] == list(range(1, 101))


def test_a_line_without_end_is_refused():
    with pytest.raises(FileRefused) as refused:
        read("address,amount", "x" * 1001)
    assert refused.value.line == 2


def test_too_many_lines():
    with pytest.raises(FileRefused):
        AllocationRows().add_line(2_010_001, b"\n")


@pytest.mark.parametrize(
    "address",
    [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0xde709f2102306220921060314715629080e2fb77",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ],
)
def test_checksum_examples_of_the_standard(address):
    assert not read(f"{address},1").error_count
    assert address.lower()[2:] == checksummed(address.lower()[2:]).lower()
