"""Fills a market day on the stack that runs, through its public API."""

import io
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from otc.core import clock
from otc.rehearsal.client import ApiError, PreparationError, Venue
from otc.rehearsal.market_day import MarketDay
from otc.rehearsal.node import Node, NodeError, TransactionError
from otc.rehearsal.progress import Console
from otc.rehearsal.world import Surprise, World
from otc.stack import anvil
from otc.stack.layout import Layout
from otc.stack.lock import holder

FAILURES = (ApiError, NodeError, PreparationError, Surprise, TransactionError)


class Command(BaseCommand):
    help = "Fills a demonstration chain with teams, markets, offers and deals; what is there already stays as it is."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--base-url", default="", help="Of the web server; default: the one that `up` runs.")
        parser.add_argument("--rpc-url", default="", help="Of the chain's node; default: the one that `up` runs.")

    def handle(self, *, base_url: str, rpc_url: str, verbosity: int, **_options: Any) -> None:
        running = holder(Layout.of()) or {}
        base_url = base_url or str(running.get("url", ""))
        if not base_url:
            raise CommandError("No stack runs here: start `python3 manage.py up` first, or name one with --base-url.")
        node = Node(rpc_url or self._rpc_url())
        if node.chain_id() != anvil.CHAIN_ID:
            raise CommandError(f"This is chain {node.chain_id()}: demonstration data goes on {anvil.CHAIN_ID} only.")
        world = World(Venue(base_url), node, Console(sys.stdout if verbosity else io.StringIO()))
        try:
            made = MarketDay(world, wall_clock=clock.unix_now()).make()
        except FAILURES as error:
            raise CommandError(f"The market day was cut short: {error}") from error
        finally:
            # Whatever happened, the screens' countdowns need a chain that is not behind.
            node.set_clock(clock.unix_now())
            world.close()
        if verbosity:
            self.stdout.write("A market day is ready." if made else "The market day stands already.")

    @staticmethod
    def _rpc_url() -> str:
        from otc.core.models import Chain

        chain = Chain.objects.filter(pk=anvil.CHAIN_ID).first()
        if chain is None:
            raise CommandError("There is no demonstration chain here.")
        return str(chain.rpc_urls[0])
