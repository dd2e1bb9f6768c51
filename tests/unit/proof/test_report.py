import pytest

from otc.proof import report
from otc.stack.errors import StackError

TEXT = "before\n<!-- figures: a -->\nold\n<!-- end -->\nbetween\n<!-- figures: b -->\nkept\n<!-- end -->\n"


@pytest.fixture
def page(tmp_path, monkeypatch):
    path = tmp_path / "verification.md"
    path.write_text(TEXT)
    monkeypatch.setattr(report, "PAGE", path)
    return path


def test_a_block_is_replaced_and_the_rest_stays(page):
    report.write("a", ["new \\1", "lines"])
    assert page.read_text() == TEXT.replace("old\n", "new \\1\nlines\n")


def test_a_block_that_is_not_there_is_told(page):
    with pytest.raises(StackError, match="no block for the figures of c"):
        report.write("c", ["new"])
    assert page.read_text() == TEXT


def test_the_page_has_a_block_for_each_prover_that_writes_figures():
    text = report.PAGE.read_text(encoding="utf-8")
    for name in ("halmos", "slither", "mutation", "invariants"):
        assert text.count(f"<!-- figures: {name} -->\n") == 1
    assert text.count("<!-- end -->\n") == 4
