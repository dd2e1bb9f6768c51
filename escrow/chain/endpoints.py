"""One question to a chain, whichever of its endpoints answers: for single reads. Never call it inside a transaction."""

from collections.abc import Sequence
from typing import Any

from escrow.chain.client import Call, RpcError, RpcFault, http_node
from otc.core.models import Chain


def chain_answers(chain: Chain, calls: Sequence[Call]) -> list[Any]:
    """Answers in order from the first endpoint that gives any; a call that the node refused has its RpcError in the list.

    Errors: RpcError, with what each endpoint said, when none answers.
    """
    said = []
    for url in chain.rpc_urls:
        try:
            return http_node(url, chain.chain_id).answers(calls)
        except RpcError as error:
            said.append(str(error))
    raise RpcError(RpcFault.UNREACHABLE, "; ".join(said) or f"{chain} has no endpoint")
