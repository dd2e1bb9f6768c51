from collections import Counter

from otc.proof import slither

FUNCTION = {
    "type": "function",
    "name": "pull",
    "type_specific_fields": {"parent": {"type": "contract", "name": "Tokens"}},
}
NODE = {"type": "node", "name": "a line", "type_specific_fields": {"parent": FUNCTION}}
REPORT = {"results": {"detectors": [{"check": "arbitrary-send-erc20", "elements": [FUNCTION, NODE]}]}}


def run(monkeypatch, report):
    monkeypatch.setattr(slither, "analyse", lambda: report)
    said = []
    return slither.run(said.append), said


def test_a_finding_is_named_by_detector_and_function():
    assert slither.findings(REPORT) == {("arbitrary-send-erc20", "Tokens.pull")}
    inner = {"results": {"detectors": [{"check": "timestamp", "elements": [NODE]}]}}
    assert slither.findings(inner) == {("timestamp", "Tokens.pull")}


def test_a_new_finding_fails_the_run(monkeypatch):
    monkeypatch.setattr(slither, "answers", dict)
    status, said = run(monkeypatch, REPORT)
    assert status == 1
    assert "NEW       arbitrary-send-erc20: Tokens.pull" in said


def test_an_answered_finding_does_not_and_a_stale_answer_does(monkeypatch):
    monkeypatch.setattr(slither, "answers", lambda: {("arbitrary-send-erc20", "Tokens.pull"): "why"})
    assert run(monkeypatch, REPORT)[0] == 0
    assert run(monkeypatch, {"results": {}})[0] == 1


def test_each_answer_has_a_reason_and_stands_once():
    answers = slither.answers()
    assert all(len(reason) > 40 for reason in answers.values())
    places = Counter((group["check"], place) for group in slither.groups() for place in group["places"])
    assert max(places.values()) == 1
