"""The embedded servers: data folders that are whole, cut short, or of another version; ports in use; state that is kept."""

import signal
import socket

import pytest

from otc.stack import anvil, chain, ports, postgres, processes
from otc.stack.errors import StackError
from otc.stack.layout import Layout
from otc.stack.stack import Stack
from otc.stack.supervisor import Supervisor


@pytest.fixture
def cluster(tmp_path) -> postgres.Cluster:
    tmp_path.chmod(0o700)  # as a clone in a home folder: PostgreSQL's user can't pass through by its own rights
    return postgres.Cluster(data=tmp_path / "postgres", sockets=tmp_path / "s", settings=postgres.THROWAWAY)


class TestPostgres:
    def test_is_made_once_and_serves_its_database(self, cluster, tmp_path):
        cluster.create()
        made = (cluster.data / "PG_VERSION").stat().st_mtime_ns
        cluster.create()
        assert (cluster.data / "PG_VERSION").stat().st_mtime_ns == made
        with (tmp_path / "log").open("wb") as log:
            server = processes.start(
                cluster.command(), log=log, cwd=tmp_path, user=postgres.unprivileged_user(), death_signal=signal.SIGQUIT
            )
        try:
            processes.wait_until(cluster.ready, seconds=30, what="PostgreSQL", process=server, log=tmp_path / "log")
            cluster.create_database()
            cluster.create_database()
            assert cluster.ready()
        finally:
            processes.stop(server, number=signal.SIGQUIT)
        assert not cluster.ready()

    def test_a_half_written_folder_is_recognised(self, cluster):
        cluster.data.mkdir()
        (cluster.data / "base").mkdir()
        with pytest.raises(StackError, match=r"half-written.*up --fresh"):
            cluster.create()

    def test_a_folder_without_its_control_file_is_recognised(self, cluster):
        cluster.data.mkdir()
        (cluster.data / "PG_VERSION").write_text("18\n")
        with pytest.raises(StackError, match="half-written"):
            cluster.create()

    def test_what_an_interrupted_start_left_is_made_anew(self, cluster):
        partial = cluster.data.with_name("postgres.partial")
        partial.mkdir()
        (partial / "PG_VERSION").write_text("18\n")
        cluster.create()
        assert cluster.exists()
        assert not partial.exists()

    def test_another_version_is_named(self, cluster):
        (cluster.data / "global").mkdir(parents=True)
        (cluster.data / "global" / "pg_control").write_text("")
        (cluster.data / "PG_VERSION").write_text("16\n")
        with pytest.raises(StackError, match="written by PostgreSQL 16, this one is 18"):
            cluster.create()


@pytest.fixture
def busy_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


class TestPorts:
    def test_a_port_in_use_is_seen(self, busy_port):
        assert not ports.is_free(busy_port)
        assert ports.next_free(busy_port) > busy_port
        assert ports.is_free(ports.any_free())

    def test_a_named_port_in_use_is_refused_with_what_to_do(self, tmp_path, busy_port):
        stack = Stack(Layout(tmp_path / "var"), say=print, port=busy_port)
        with pytest.raises(
            StackError, match=rf"Port {busy_port} is in use: stop what listens there, or name another with --port"
        ):
            stack._choose_port()

    def test_the_default_gives_way_and_says_so(self, tmp_path, busy_port, monkeypatch):
        monkeypatch.setattr("otc.stack.stack.DEFAULT_PORT", busy_port)
        said = []
        assert Stack(Layout(tmp_path / "var"), say=said.append)._choose_port() > busy_port
        assert f"Port {busy_port} is in use" in said[0]


class TestChain:
    @pytest.fixture
    def layout(self, tmp_path) -> Layout:
        made = Layout(tmp_path / "var")
        made.make()
        return made

    def run(self, layout, said, block_time=None):
        node = chain.Chain(layout, block_time=block_time, say=said.append)
        node.choose_port()
        runner = Supervisor(logs=layout.log, cwd=layout.root, env={}, say=said.append)
        runner.start(node.service())
        return node, runner

    def newest(self, node):
        return anvil.rpc(node.url, "eth_getBlockByNumber", "latest", False)

    def test_goes_on_with_the_same_blocks_on_the_same_port_and_never_back_in_time(self, layout):
        said = []
        node, runner = self.run(layout, said)
        future = int(self.newest(node)["timestamp"], 16) + 100_000
        anvil.rpc(node.url, "evm_setNextBlockTimestamp", hex(future))
        anvil.rpc(node.url, "anvil_mine", "0x5")
        before, url = self.newest(node), node.url
        runner.stop(before={"chain": node.save})

        node, runner = self.run(layout, said)
        assert (node.url, self.newest(node)["hash"], said) == (url, before["hash"], [])
        anvil.rpc(node.url, "evm_mine")
        after = self.newest(node)
        runner.stop()
        assert after["parentHash"] == before["hash"]
        assert int(after["timestamp"], 16) > int(before["timestamp"], 16)

    def test_makes_blocks_by_the_clock(self, layout):
        node, runner = self.run(layout, [], block_time=1)
        processes.wait_until(lambda: int(self.newest(node)["number"], 16) >= 2, seconds=20, what="two blocks")
        runner.stop()

    def test_another_port_is_said_when_the_last_one_is_taken(self, layout, busy_port):
        (layout.root / "ports.json").write_text(f'{{"anvil": {busy_port}}}')
        said = []
        node = chain.Chain(layout, block_time=None, say=said.append)
        node.choose_port()
        assert node.port != busy_port
        assert "Wallets need the new RPC address" in said[0]

    def test_a_save_without_a_node_leaves_the_last_one(self, layout):
        node = chain.Chain(layout, block_time=None, say=print)
        node.port = ports.any_free()
        state = layout.anvil / "state.json"
        state.write_text("kept")
        assert not node.save()
        assert state.read_text() == "kept"

    def after_each_copy(self, monkeypatch, *deeds):
        """Has the node do `deeds`, one after each copy of its state; afterwards nothing. Returns the copies."""
        copies, rpc = [], anvil.rpc

        def call(url, method, *params, **options):
            answer = rpc(url, method, *params, **options)
            if method == "anvil_dumpState":
                copies.append(answer)
                if len(copies) <= len(deeds):
                    for done in deeds[len(copies) - 1]:
                        rpc(url, *done)
            return answer

        monkeypatch.setattr(anvil, "rpc", call)
        return copies

    PAYMENT = (
        ("evm_setAutomine", False),  # or the answer comes before the block
        ("eth_sendTransaction", {"from": anvil.address("owner"), "to": anvil.address("buyer"), "value": "0x1"}),
        ("evm_mine",),
    )
    ROLLBACK = (("anvil_rollback", 1),)
    EMPTY = (("anvil_mine", "0x2"),)

    @pytest.mark.parametrize(
        ("deed", "copied", "state"), [(PAYMENT, 2, (2, 2)), (ROLLBACK, 2, (0, 0)), (EMPTY, 1, (1, 1))]
    )
    def test_a_copy_during_which_the_chain_changed_is_taken_again(self, layout, monkeypatch, deed, copied, state):
        node, runner = self.run(layout, [])
        for call in self.PAYMENT:
            anvil.rpc(node.url, *call)
        copies = self.after_each_copy(monkeypatch, deed)
        assert node.save()
        assert len(copies) == copied
        runner.stop()

        node, runner = self.run(layout, [])
        nonce = int(anvil.rpc(node.url, "eth_getTransactionCount", anvil.address("owner"), "latest"), 16)
        blocks = int(self.newest(node)["number"], 16)
        runner.stop()
        assert (nonce, blocks) == state

    def test_while_transactions_come_all_the_time_the_last_save_stays(self, layout, monkeypatch):
        node, runner = self.run(layout, [])
        assert node.save()
        kept = (layout.anvil / "state.json").read_bytes()
        copies = self.after_each_copy(monkeypatch, *[self.PAYMENT] * chain.TRIES)
        assert not node.save()
        assert len(copies) == chain.TRIES
        assert (layout.anvil / "state.json").read_bytes() == kept
        assert node.save()
        runner.stop()
