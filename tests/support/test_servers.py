"""The test servers themselves: what every other layer stands on."""

import pytest
from django.db import connection

from tests.support.anvil import Anvil


@pytest.mark.django_db
def test_the_database_is_postgresql_with_the_projects_limits():
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        assert int(cursor.fetchone()[0]) >= 180000
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone()[0] == "5s"


def test_redis_answers(redis_url):
    import redis

    with redis.Redis.from_url(redis_url) as client:
        client.set("key", "value")
        assert client.get("key") == b"value"


class TestAnvil:
    def test_mines_when_told_and_keeps_exact_times(self, anvil: Anvil):
        start, number = anvil.now(), anvil.block_number()
        anvil.move_to(start + 1000)
        assert anvil.now() == start + 1000
        anvil.mine(3, interval=5)
        assert (anvil.block_number(), anvil.now()) == (number + 4, start + 1015)

    def test_transactions_wait_when_mining_is_off(self, anvil: Anvil):
        sender, receiver = anvil.addresses[0], anvil.addresses[1]
        anvil.automine(on=False)
        sent = anvil.rpc("eth_sendTransaction", {"from": sender, "to": receiver, "value": "0x1"})
        assert anvil.rpc("eth_getTransactionReceipt", sent) is None
        anvil.mine()
        assert anvil.rpc("eth_getTransactionReceipt", sent)["status"] == "0x1"

    def test_reorg_changes_hashes_at_the_same_height(self, anvil: Anvil):
        anvil.mine(5)
        number, before = anvil.block_number(), anvil.block()["hash"]
        anvil.reorg(3)
        assert anvil.block_number() == number
        assert anvil.block()["hash"] != before

    @pytest.mark.parametrize("turn", [1, 2])
    def test_each_test_finds_the_chain_as_it_was(self, anvil: Anvil, turn):
        assert anvil.rpc("eth_getTransactionCount", anvil.addresses[0], "latest") == "0x0"
        anvil.rpc("eth_sendTransaction", {"from": anvil.addresses[0], "to": anvil.addresses[1], "value": hex(turn)})
        anvil.mine()  # the node mines on its own too, but answers before it has
        assert anvil.rpc("eth_getTransactionCount", anvil.addresses[0], "latest") == "0x1"
