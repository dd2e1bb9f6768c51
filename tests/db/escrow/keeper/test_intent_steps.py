"""The database knows the same steps of an intent as the table: every other one is refused, and changes nothing."""

from itertools import product

import pytest
from django.db import InternalError, transaction

from escrow.domain.intents import STATES, TRANSITIONS
from escrow.keeper.models import Intent, IntentState, Signer
from tests.support import rows

pytestmark = pytest.mark.django_db


def test_the_states_are_those_of_the_table():
    assert tuple(IntentState.values) == STATES


@pytest.mark.parametrize(("before", "after"), list(product(STATES, STATES)))
def test_each_step(before, after):
    chain = rows.chain()
    signer = Signer.objects.create(chain_id=chain.chain_id, address=rows.BUYER)
    attempt = rows.attempt(signer)
    Intent.objects.create(
        chain=chain, key="deal:1:refund", action="refund", deal_id=rows.word(1), state=before, attempt=attempt
    )
    if before == after or (before, after) in TRANSITIONS:
        Intent.objects.update(state=after)
        assert Intent.objects.get().state == after
        return
    with pytest.raises(InternalError, match="Invalid transition"), transaction.atomic():
        Intent.objects.update(state=after)
    assert Intent.objects.get().state == before
