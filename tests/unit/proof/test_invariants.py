import re

from otc.proof import invariants, mutation, project
from otc.proof.invariants import Piece


def deep(name):
    """The value in the deep profile's invariant settings, or in the default ones that it inherits."""
    text = (project.CONTRACTS / "foundry.toml").read_text(encoding="utf-8")
    found = re.findall(rf"^\[profile\.(?:default|deep)\.invariant\]$.*?^{name} = (\d+)", text, re.MULTILINE | re.DOTALL)
    return int(found[-1])


def test_the_pieces_are_more_than_twenty_million_calls_and_no_two_have_the_same_seed():
    each = deep("runs") * deep("depth") * invariants.calls_in_one()
    campaigns = {name: words for name, words in invariants.pieces().items() if name != invariants.THIEVES}
    assert len(campaigns) * each >= 20_000_000
    assert len({words[-1] for words in campaigns.values()}) == len(campaigns)
    source = "".join(path.read_text(encoding="utf-8") for path in mutation.TESTS.glob("*Invariants.t.sol"))
    for words in campaigns.values():
        assert re.search(f"function {words[1].removeprefix('^')}", source)


def test_what_forge_says_of_a_piece_is_read():
    line = "[PASS] invariant_all_of_them_one() (runs: 4, calls: 840, reverts: 0)"
    assert invariants.PASSED.match(line).groups() == ("invariant_all_of_them_one", "4", "840")
    line = "[PASS] testFuzz_guardian_takes_nothing(uint256) (runs: 100, μ: 41945935, ~: 41695451)"
    assert invariants.PASSED.match(line).groups() == ("testFuzz_guardian_takes_nothing", "100", None)
    assert (
        invariants.PASSED.match("[FAIL: Broken(2)] invariant_all_of_them_one() (runs: 4, calls: 840, reverts: 1)")
        is None
    )


def test_the_figures_count_trading_and_thieves_apart():
    passed = [
        Piece("thieves", 1_100, 0, 200.0, 3.0),
        Piece("invariant_all_of_them_one 1", 4, 84_000, 30.0, 2.0),
        Piece("invariant_all_of_them_with_rights 3", 4, 84_000, 40.0, 5.0),
    ]
    [line] = invariants.summary(passed)
    assert "2 of 250 pieces, **168,000 calls** (84,000 of them on `RightsEscrow`) in 8 runs; 70 s" in line
    assert "load of 2 to 5" in line
    assert "1,100 thieves in 200 s" in line
    assert "the thieves have not run" in invariants.summary(passed[1:])[0]
