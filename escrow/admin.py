"""Panel pages of settlement: deals, the ledger, what was read from the chain, what the keeper sends. All of it read-only: the chain
is the truth, and the projection writes it down. What a person does here: lets a stopped signer go on, sets what it may spend, has a
failed intent tried again.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.widgets import UnfoldAdminTextInputWidget

from escrow.keeper.services import intent_retry, signer_limits_set, signer_resume
from escrow.models import (
    Account,
    Attempt,
    AutoDelivery,
    Block,
    ChainCursor,
    ChainEvent,
    CheckRun,
    Deal,
    DealTranche,
    DealTransfer,
    DeliveredRight,
    EndpointHealth,
    Intent,
    KeptRight,
    MarketRecord,
    Reorg,
    RightMovement,
    SettlementTerms,
    Signer,
    Transfer,
)
from otc.core.fields import UINT256_MAX
from otc.core.panel import (
    PanelAdmin,
    ReasonForm,
    RowForm,
    dialog_action,
    hex_column,
    link_column,
    money_column,
    time_column,
)

# ---------------------------------------------------------------- deals


@admin.register(Deal)
class DealAdmin(PanelAdmin):
    list_display = (
        "id",
        hex_column("deal_id"),
        link_column("market"),
        hex_column("buyer"),
        hex_column("seller"),
        "units",
        money_column("payment", unit="pay_token"),
        money_column("collateral", unit="pay_token"),
        "outcome",
        "phase",
        time_column("opened_at"),
    )
    list_select_related = ("market__program", "market__pay_token", "pay_token")
    list_filter = ("outcome", "phase", "chain")
    ordering = ("-id",)
    address_lookups = ("buyer", "seller")
    hash_lookups = ("deal_id", "offer__offer_hash", "opened_event__tx_hash")
    scopes = {"deal_id": "chain"}
    unix_times = ("opened_at", "phase_until")


@admin.register(DealTranche)
class DealTrancheAdmin(PanelAdmin):
    list_display = ("id", link_column("deal"), "number", "delivered", "outcome")
    list_select_related = ("deal",)
    list_filter = ("outcome",)
    ordering = ("-id",)
    address_lookups = ("deal__buyer", "deal__seller")
    hash_lookups = ("deal__deal_id",)
    number_lookups = ("pk", "deal")


@admin.register(DealTransfer)
class DealTransferAdmin(PanelAdmin):
    list_display = (
        "id",
        link_column("deal"),
        "side",
        hex_column("from_address"),
        hex_column("to_address"),
        "price",
        "lister_pays",
        link_column("event"),
    )
    list_select_related = ("deal", "event")
    list_filter = ("side",)
    ordering = ("-id",)
    address_lookups = ("from_address", "to_address")
    hash_lookups = ("deal__deal_id", "event__tx_hash")
    number_lookups = ("pk", "deal")
    unix_times = ("opened_at",)


@admin.register(AutoDelivery)
class AutoDeliveryAdmin(PanelAdmin):
    list_display = (
        "id",
        hex_column("seller"),
        hex_column("market_id"),
        hex_column("token"),
        "amount",
        link_column("chain"),
    )
    list_select_related = ("chain",)
    list_filter = ("chain",)
    ordering = ("-id",)
    address_lookups = ("seller", "token")
    hash_lookups = ("market_id",)
    scopes = {"market_id": "chain"}


@admin.register(DeliveredRight)
class DeliveredRightAdmin(PanelAdmin):
    list_display = (
        "id",
        link_column("deal"),
        "tranche",
        hex_column("token"),
        "right",
        "amount",
        "to_escrow",
        link_column("event"),
    )
    list_select_related = ("deal", "event")
    list_filter = ("to_escrow",)
    ordering = ("-id",)
    address_lookups = ("token",)
    number_lookups = ("pk", "right")


@admin.register(KeptRight)
class KeptRightAdmin(PanelAdmin):
    list_display = ("id", hex_column("user"), hex_column("token"), "right", "amount", link_column("chain"))
    list_select_related = ("chain",)
    list_filter = ("chain",)
    ordering = ("-id",)
    address_lookups = ("user", "token")
    number_lookups = ("pk", "right")


@admin.register(RightMovement)
class RightMovementAdmin(PanelAdmin):
    list_display = ("id", link_column("kept"), "incoming", "amount", link_column("event"))
    list_select_related = ("kept", "event")
    list_filter = ("incoming",)
    ordering = ("-id",)
    number_lookups = ("pk", "event")


@admin.register(SettlementTerms)
class SettlementTermsAdmin(PanelAdmin):
    list_display = (
        "id",
        link_column("market"),
        hex_column("token"),
        "token_symbol",
        time_column("start"),
        "window",
        "tranches",
        time_column("final_at"),
        "extended",
    )
    list_select_related = ("market__program", "market__pay_token")
    ordering = ("-id",)
    address_lookups = ("token",)
    hash_lookups = ("market__market_id",)
    unix_times = ("start", "final_at")


@admin.register(MarketRecord)
class MarketRecordAdmin(PanelAdmin):
    list_display = ("id", link_column("market"), link_column("created_event"), time_column("cancel_confirmable_at"))
    list_select_related = ("market__program", "market__pay_token", "created_event")
    ordering = ("-id",)
    hash_lookups = ("market__market_id", "created_event__tx_hash")
    unix_times = ("cancel_confirmable_at",)


# ---------------------------------------------------------------- ledger


@admin.register(Account)
class AccountAdmin(PanelAdmin):
    list_display = (
        "id",
        "kind",
        hex_column("owner"),
        hex_column("deal_id"),
        hex_column("token"),
        "balance",
        link_column("chain"),
    )
    list_select_related = ("chain",)
    list_filter = ("kind", "chain")
    ordering = ("-id",)
    address_lookups = ("owner", "token")
    hash_lookups = ("deal_id",)


@admin.register(Transfer)
class TransferAdmin(PanelAdmin):
    list_display = (
        "id",
        "kind",
        link_column("debit"),
        link_column("credit"),
        "amount",
        "state",
        link_column("event"),
        "created_at",
    )
    list_select_related = ("debit", "credit", "event")
    list_filter = ("state", "kind")
    ordering = ("-id",)
    hash_lookups = ("event__tx_hash", "event__deal_id")
    number_lookups = ("pk", "event")


# ---------------------------------------------------------------- what was read


@admin.register(Block)
class BlockAdmin(PanelAdmin):
    list_display = (
        "number",
        hex_column("hash"),
        hex_column("parent_hash"),
        time_column("timestamp"),
        "canonical",
        link_column("chain"),
    )
    list_select_related = ("chain",)
    list_filter = ("canonical", "chain")
    ordering = ("-id",)
    hash_lookups = ("hash",)
    number_lookups = ("pk", "number")
    scopes = {"hash": "chain", "number": "chain"}
    unix_times = ("timestamp",)


@admin.register(ChainEvent)
class ChainEventAdmin(PanelAdmin):
    list_display = (
        "id",
        "name",
        "block_number",
        "log_index",
        hex_column("tx_hash"),
        hex_column("deal_id"),
        hex_column("market_id"),
        "canonical",
        link_column("chain"),
    )
    list_select_related = ("chain",)
    list_filter = ("canonical", "name", "chain")
    ordering = ("-id",)
    hash_lookups = ("tx_hash", "deal_id", "market_id", "offer_hash")


@admin.register(ChainCursor)
class ChainCursorAdmin(PanelAdmin):
    list_display = ("chain", "tip_number", hex_column("tip_hash"), "final_number", "updated_at")
    list_select_related = ("chain",)
    hash_lookups = ("tip_hash",)


@admin.register(EndpointHealth)
class EndpointHealthAdmin(PanelAdmin):
    list_display = (
        "name",
        "failures",
        "fault",
        "retry_at",
        "width",
        "head_number",
        "latency_ms",
        "seen_at",
        link_column("chain"),
    )
    list_select_related = ("chain",)
    list_filter = ("chain",)
    text_lookups = ("name__icontains",)


@admin.register(Reorg)
class ReorgAdmin(PanelAdmin):
    list_display = ("id", "from_number", "to_number", "events", "seen_at", link_column("chain"))
    list_select_related = ("chain",)
    list_filter = ("chain",)
    number_lookups = ("pk", "from_number", "to_number")


@admin.register(CheckRun)
class CheckRunAdmin(PanelAdmin):
    list_display = (
        "id",
        "check_name",
        link_column("chain"),
        "block_number",
        "checked",
        "differing",
        "seconds",
        "ended_at",
    )
    list_select_related = ("chain",)
    list_filter = ("check_name", "chain")


# ---------------------------------------------------------------- what is sent


def _wei_field(name: str) -> forms.Field:
    column: Any = Signer._meta.get_field(name)  # noqa: SLF001 - Django's public name for it
    return forms.DecimalField(
        min_value=0,
        max_value=UINT256_MAX,
        decimal_places=0,
        widget=UnfoldAdminTextInputWidget,
        help_text=column.help_text,
    )


class SignerLimitsForm(RowForm):
    row_model = Signer
    balance_floor = _wei_field("balance_floor")
    fee_cap = _wei_field("fee_cap")
    hourly_budget = _wei_field("hourly_budget")
    field_order = ("balance_floor", "fee_cap", "hourly_budget", "reason")


@admin.register(Signer)
class SignerAdmin(PanelAdmin):
    list_display = ("id", hex_column("address"), "chain_id", "next_nonce", "final_nonce", "balance", "halted", "notice")
    list_filter = (("halted", admin.EmptyFieldListFilter), "chain_id")
    address_lookups = ("address",)
    actions_detail = ("resume", "set_limits")

    @dialog_action(
        "Let it send again",
        "Look at its last attempts first: the next step takes the chain's count of transactions as it is.",
    )
    def resume(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        return self.carry_out(
            request,
            lambda: signer_resume(signer_pk=int(object_id)),
            done="The signer sends again.",
            row=self.get_object(request, object_id),
            reason=form.cleaned_data["reason"],
        )

    @dialog_action(
        "Change what it may spend",
        "From its next transaction on. One wei is 10⁻¹⁸ of the currency.",
        form=SignerLimitsForm,
    )
    def set_limits(self, request: HttpRequest, form: SignerLimitsForm, object_id: str) -> HttpResponse:
        floor, cap, budget = (int(form.cleaned_data[name]) for name in ("balance_floor", "fee_cap", "hourly_budget"))
        return self.carry_out(
            request,
            lambda: signer_limits_set(signer_pk=int(object_id), balance_floor=floor, fee_cap=cap, hourly_budget=budget),
            done=f"In wei: it stops below {floor}, pays at most {cap} per gas and {budget or 'without limit'} an hour.",
            row=self.get_object(request, object_id),
            reason=form.cleaned_data["reason"],
        )


@admin.register(Intent)
class IntentAdmin(PanelAdmin):
    list_display = (
        "id",
        "action",
        hex_column("deal_id"),
        "tranche",
        "state",
        link_column("attempt"),
        "detail",
        "changed_at",
    )
    list_select_related = ("attempt",)
    list_filter = ("state", "action", "chain")
    ordering = ("-id",)
    hash_lookups = ("deal_id", "attempt__tx_hash")
    text_lookups = ("key",)
    scopes = {"deal_id": "chain"}
    actions_detail = ("retry",)

    @dialog_action(
        "Try again", "Its reverts are forgotten, and the keeper judges it anew. Look at its last transaction first."
    )
    def retry(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        return self.carry_out(
            request,
            lambda: intent_retry(intent_pk=int(object_id)),
            done="The intent is tried again.",
            row=self.get_object(request, object_id),
            reason=form.cleaned_data["reason"],
        )


@admin.register(Attempt)
class AttemptAdmin(PanelAdmin):
    list_display = (
        "id",
        hex_column("tx_hash"),
        link_column("signer"),
        "nonce",
        "gas",
        "max_fee",
        "send_result",
        "block_number",
        "succeeded",
        "created_at",
    )
    list_select_related = ("signer",)
    list_filter = ("send_result", "succeeded")
    ordering = ("-id",)
    address_lookups = ("signer__address", "to")
    hash_lookups = ("tx_hash", "block_hash")
    number_lookups = ("pk", "nonce")
