"""Explanations and refusals: exact money and times, and a sentence for every error that the contract can give."""

from types import SimpleNamespace

import pytest
from eth_utils.crypto import keccak

from escrow.contracts import words
from escrow.contracts.deploy.code import artifact
from escrow.services.tx.call import Need, NeedKind, summed
from escrow.services.tx.refusals import ERRORS, SENTENCES, explain
from escrow.services.tx.wording import TokenWords, duration, moment, percent, units_words

SAMPLE = {"address": "0x" + "ab" * 20, "bytes32": b"field".ljust(32, b"\0"), "uint256": 3, "uint8": 2, "string": "why"}


@pytest.mark.parametrize("contract", ["OTCEscrow", "RightsEscrow", "CourtAdapter"])
def test_the_table_is_complete_over_the_contracts(contract):
    for entry in artifact(contract)["abi"]:
        if entry["type"] == "error":
            parameters = tuple((one["name"], one["type"]) for one in entry["inputs"])
            signature = f"{entry['name']}({','.join(kind for _, kind in parameters)})"
            assert ERRORS["0x" + keccak(text=signature).hex()[:8]] == (entry["name"], parameters)


@pytest.mark.parametrize(("selector", "error"), ERRORS.items())
def test_every_error_has_a_sentence_that_fits_its_arguments(selector, error):
    name, parameters = error
    data = words.call(selector, [kind for _, kind in parameters], [SAMPLE[kind] for _, kind in parameters])
    found, sentence = explain(data, "execution reverted")
    assert found == name
    assert sentence == SENTENCES[name](words.revert_reason(data, ERRORS).args)
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        (words.call("0x08c379a0", ["string"], ["paused"]), "Error", "The contract says: paused"),
        (words.call("0x4e487b71", ["uint256"], [0x11]), "Panic", "overflow"),
        ("0xdeadbeef", "Unknown", "execution reverted"),
        ("0x", "Unknown", "execution reverted"),
        ("", "Unknown", "execution reverted"),
        ("0xe58369d1", "Unknown", "execution reverted"),  # TooEarly without its arguments
    ],
)
def test_what_is_no_error_of_ours(data, name, said):
    found, sentence = explain(data, "execution reverted")
    assert found == name
    assert said in sentence


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (90, "90 seconds"),
        (120, "2 minutes"),
        (86_400, "1 day"),
        (129_600, "36 hours"),
    ],
)
def test_durations_are_exact(seconds, text):
    assert duration(seconds) == text


def test_moments_and_percents():
    assert moment(1_800_000_000) == "2027-01-15 08:00:00 UTC"
    assert (percent(50), percent(200), percent(1)) == ("0.5%", "2%", "0.01%")


@pytest.mark.parametrize(
    ("units", "name", "decimals", "text"),
    [
        (1, "point", 0, "1 point"),
        (1_250, "point", 0, "1,250 points"),
        (0, "key", 0, "0 keys"),
        (5, "pass", 0, "5 pass"),
        (5, "fly", 0, "5 fly"),
        (10**18, "ENS", 18, "1 ENS"),
        (25 * 10**17, "ENS", 18, "2.5 ENS"),
    ],
)
def test_units_in_words(units, name, decimals, text):
    assert units_words(units, SimpleNamespace(unit_name=name, unit_decimals=decimals)) == text


def test_amounts_are_never_rounded():
    assert TokenWords("0x" + "ab" * 20, "USDT", 6).amount(1_000_000_001) == "1,000.000001 USDT"
    nameless = TokenWords("0x" + "ab" * 20).amount(5)
    assert nameless.startswith("5 base units of 0x")
    assert TokenWords("0x" + "ab" * 20, "KEY", None, pieces=True).amount(1) == "1 piece of KEY"
    assert nameless.lower().endswith("ab" * 20)


def test_needs_of_a_batch_are_summed():
    token, other = "0x" + "01" * 20, "0x" + "02" * 20
    needs = [Need(NeedKind.BALANCE, token, 2), Need(NeedKind.BALANCE, other, 0), Need(NeedKind.BALANCE, token, 3)]
    assert summed(needs) == (Need(NeedKind.BALANCE, token, 5),)
