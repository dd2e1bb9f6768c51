"""Kill switches and the restart of a chain: a reason each, kept in the history."""

import pytest

from otc.core import flags
from otc.core.chains import chain_resume
from otc.core.errors import DomainError, ErrorCode
from otc.core.models import Chain, FlagName

pytestmark = pytest.mark.django_db


def test_a_switch_is_off_until_thrown_and_says_why():
    flags.require_off(FlagName.PAUSE_POSTING)
    assert not flags.is_on(FlagName.PAUSE_POSTING)
    flags.flag_set(name=FlagName.PAUSE_POSTING, on=True, reason=" Node trouble. ")
    assert flags.is_on(FlagName.PAUSE_POSTING)
    assert not flags.is_on(FlagName.PAUSE_TAKING)
    with pytest.raises(DomainError, match=r"Node trouble\.") as paused:
        flags.require_off(FlagName.PAUSE_POSTING)
    assert (paused.value.code, paused.value.status) == (ErrorCode.PAUSED, 503)
    flags.flag_set(name=FlagName.PAUSE_POSTING, on=False, reason="Mended.")
    flags.require_off(FlagName.PAUSE_POSTING)


def test_each_change_is_kept_with_its_reason():
    flags.flag_set(name=FlagName.PAUSE_KEEPER, on=True, reason="Gas spike.")
    flag = flags.flag_set(name=FlagName.PAUSE_KEEPER, on=False, reason="Over.")
    kept = [
        (change.on, change.reason, change.pgh_context.metadata["reason"]) for change in flag.changes.order_by("pgh_id")
    ]
    assert kept == [(True, "Gas spike.", "Gas spike."), (False, "Over.", "Over.")]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 301])
def test_a_switch_needs_a_reason(reason):
    with pytest.raises(DomainError) as refused:
        flags.flag_set(name=FlagName.PAUSE_KEEPER, on=True, reason=reason)
    assert (refused.value.code, refused.value.field) == (ErrorCode.INVALID, "reason")
    assert not flags.is_on(FlagName.PAUSE_KEEPER)


class TestResume:
    def test_a_halted_chain_goes_on_and_the_history_says_why(self, chain):
        Chain.objects.update(halted="Reorg past finality at 12")
        assert chain_resume(pk=31337, reason="Node replaced.").halted == ""
        chain.refresh_from_db()
        assert chain.halted == ""
        change = chain.changes.order_by("pgh_id").last()
        assert change.pgh_context.metadata["reason"] == "Node replaced."
        assert change.pgh_context.metadata["was_halted_by"] == "Reorg past finality at 12"

    def test_a_moving_head_is_no_history(self, chain):
        before = chain.changes.count()
        Chain.objects.update(head_number=5, head_time=6, safe_number=4)
        assert chain.changes.count() == before

    @pytest.mark.parametrize(
        ("pk", "reason", "code"),
        [(31337, " ", ErrorCode.INVALID), (5, "x", ErrorCode.NOT_FOUND), (31337, "x", ErrorCode.CONFLICT)],
    )
    def test_refused(self, chain, pk, reason, code):
        with pytest.raises(DomainError) as refused:
            chain_resume(pk=pk, reason=reason)
        assert refused.value.code is code
