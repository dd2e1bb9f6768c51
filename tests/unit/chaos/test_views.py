"""What a lagging or a forked endpoint says: consistent in itself, and not the truth."""

from itertools import pairwise

import pytest

from otc.chaos.views import Forked, Lagging, question

HEAD = 10
OTHER = "0x" + "77" * 32


def hash_of(number):
    return "0x" + f"{number:02x}" * 32


def header(number):
    return {"number": hex(number), "hash": hash_of(number), "parentHash": hash_of(number - 1), "timestamp": "0x1"}


def log(number):
    return {"blockNumber": hex(number), "blockHash": hash_of(number), "logIndex": "0x0"}


def answer(result):
    return {"jsonrpc": "2.0", "id": 0, "result": result}


def ask(view, truth, method, *params):
    """The answer of a node whose `truth` answers by (method, params)."""
    call = question(method, *params)
    put = view.asked(call, HEAD)
    return view.answered(call, answer(truth(put["method"], list(put["params"]))), HEAD)


def truth(method, params):
    blocks = range(HEAD + 1)
    match method:
        case "eth_blockNumber":
            found = hex(HEAD)
        case "eth_getBlockByNumber":
            number = HEAD if params[0] == "latest" else int(params[0], 16)
            found = header(number) if number <= HEAD else None
        case "eth_getBlockByHash":
            found = next((header(n) for n in blocks if hash_of(n) == params[0]), None)
        case "eth_getLogs" if "blockHash" in params[0]:
            found = [log(n) for n in blocks if hash_of(n) == params[0]["blockHash"]]
        case "eth_getLogs":
            found = [log(n) for n in blocks if int(params[0]["fromBlock"], 16) <= n <= int(params[0]["toBlock"], 16)]
        case "eth_getTransactionReceipt":
            found = {"transactionHash": OTHER, "logs": [log(9)], **log(9)}
        case "eth_getTransactionCount":
            found = params[1]
    return found


class TestLagging:
    view = Lagging(3)

    def test_its_head_is_lower_by_number_and_by_header(self):
        assert ask(self.view, truth, "eth_blockNumber")["result"] == hex(7)
        assert ask(self.view, truth, "eth_getBlockByNumber", "latest", False)["result"] == header(7)

    @pytest.mark.parametrize(("number", "known"), [(6, True), (7, True), (8, False), (10, False)])
    def test_it_has_no_block_above_its_head(self, number, known):
        expected = header(number) if known else None
        assert ask(self.view, truth, "eth_getBlockByNumber", hex(number), False)["result"] == expected
        assert ask(self.view, truth, "eth_getBlockByHash", hash_of(number), False)["result"] == expected

    def test_a_range_of_logs_ends_at_its_head_without_a_word(self):
        asked = {"fromBlock": "0x5", "toBlock": "0xa"}
        assert ask(self.view, truth, "eth_getLogs", asked)["result"] == [log(5), log(6), log(7)]
        assert ask(self.view, truth, "eth_getLogs", {"blockHash": hash_of(9)})["result"] == []

    def test_what_was_mined_since_is_unknown_to_it(self):
        assert ask(self.view, truth, "eth_getTransactionReceipt", OTHER)["result"] is None

    def test_states_are_those_of_its_head_and_later_ones_refused(self):
        assert ask(self.view, truth, "eth_getTransactionCount", OTHER, "latest")["result"] == hex(7)
        assert ask(self.view, truth, "eth_getTransactionCount", OTHER, "0x6")["result"] == "0x6"
        assert "header not found" in str(ask(self.view, truth, "eth_getTransactionCount", OTHER, "0x9")["error"])


class TestForked:
    def test_headers_above_the_fork_differ_and_link(self):
        view = Forked(above=7)
        headers = [ask(view, truth, "eth_getBlockByNumber", hex(n), False)["result"] for n in range(5, HEAD + 1)]
        assert headers[:3] == [header(5), header(6), header(7)]
        assert all(found["hash"] != hash_of(8 + at) for at, found in enumerate(headers[3:]))
        assert all(child["parentHash"] == parent["hash"] for parent, child in pairwise(headers))

    def test_logs_and_receipts_stand_in_its_own_blocks(self):
        view = Forked(above=7)
        mine = ask(view, truth, "eth_getBlockByNumber", "0x9", False)["result"]["hash"]
        logs = ask(view, truth, "eth_getLogs", {"fromBlock": "0x7", "toBlock": "0x9"})["result"]
        assert (logs[0]["blockHash"], logs[2]["blockHash"]) == (hash_of(7), mine)
        receipt = ask(view, truth, "eth_getTransactionReceipt", OTHER)["result"]
        assert receipt["blockHash"] == receipt["logs"][0]["blockHash"] == mine

    def test_it_answers_by_its_own_hashes_and_does_not_know_the_others(self):
        view = Forked(above=7)
        mine = ask(view, truth, "eth_getBlockByNumber", "0x9", False)["result"]["hash"]
        assert ask(view, truth, "eth_getBlockByHash", mine, False)["result"]["hash"] == mine
        assert len(ask(view, truth, "eth_getLogs", {"blockHash": mine})["result"]) == 1
        assert ask(view, truth, "eth_getBlockByHash", hash_of(9), False)["result"] is None
        assert "header not found" in str(ask(view, truth, "eth_getLogs", {"blockHash": hash_of(9)})["error"])
