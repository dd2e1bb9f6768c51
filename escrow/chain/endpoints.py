"""One question to a chain, whichever of its endpoints answers: for single reads. Never call it inside a transaction."""

from collections.abc import Sequence
from typing import Any

from escrow.chain.client import Call, RpcError, RpcFault
from escrow.chain.health import ChainEndpoints
from otc.core.models import Chain


def chain_answers(chain: Chain, calls: Sequence[Call]) -> list[Any]:
    """Answers in order from the first endpoint that gives any; a call that the node refused has its RpcError in the list.

    Errors: RpcError, with what each endpoint said, when none answers.
    """
    said = []
    endpoints = ChainEndpoints(chain)
    for node in endpoints.ordered():
        try:
            return node.answers(calls)
        except RpcError as error:
            said.append(str(error))
            endpoints.failed(node, error.fault, retry_after=error.retry_after)
    raise RpcError(RpcFault.UNREACHABLE, "; ".join(said) or f"{chain} has no endpoint")
