"""The policy of a chain: what can never work is refused where it is set."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from otc.core.models import Chain
from tests.support import rows

pytestmark = pytest.mark.django_db
URLS = ["http://127.0.0.1:1", "http://127.0.0.1:2"]


@pytest.mark.parametrize(("urls", "quorum"), [([], 1), (URLS[:1], 1), (URLS, 1), (URLS, 2)])
def test_a_quorum_that_the_endpoints_can_reach_is_taken(urls, quorum):
    rows.chain(rpc_urls=urls, final_quorum=quorum).full_clean(exclude=["rpc_urls"])


@pytest.mark.parametrize(("urls", "quorum"), [(URLS[:1], 2), (URLS, 3)])
def test_a_quorum_above_the_number_of_endpoints_is_refused_in_words(urls, quorum):
    chain = rows.chain()
    chain.rpc_urls, chain.final_quorum = urls, quorum
    with pytest.raises(ValidationError) as caught:
        chain.full_clean()
    assert "final_quorum: more endpoints than rpc_urls names can never agree" in str(caught.value)
    with pytest.raises(IntegrityError), transaction.atomic():
        Chain.objects.update(rpc_urls=urls, final_quorum=quorum)
    chain.refresh_from_db()
    assert chain.final_quorum == 1
