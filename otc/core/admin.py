"""Panel pages of the kernel: chains, kill switches, idempotency keys, the outbox."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanSwitchWidget

from otc.core import chains, flags
from otc.core.models import Chain, Flag, FlagName, IdempotencyRecord, OutboxEvent
from otc.core.panel import (
    PanelAdmin,
    ReasonForm,
    dialog_action,
    hex_column,
    register_history,
    time_column,
)

AGGREGATES_OF_HASHES = ("deal", "offer", "market")
AGGREGATES_OF_ADDRESSES = ("funds",)


@admin.register(Chain)
class ChainAdmin(PanelAdmin):
    list_display = (
        "name",
        "chain_id",
        "kind",
        "active",
        "head_number",
        time_column("head_time"),
        "safe_number",
        "final_number",
        hex_column("escrow_address"),
        "halted",
    )
    list_filter = ("kind", "active")
    address_lookups = ("escrow_address",)
    text_lookups = ("name__icontains",)
    unix_times = ("head_time", "paused_until")
    actions_detail = ("resume",)

    @dialog_action("Start again", "The watcher and the keeper of this chain go on. Look at what stopped them first.")
    def resume(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        reason = form.cleaned_data["reason"]
        return self.carry_out(
            request,
            lambda: chains.chain_resume(pk=int(object_id), reason=reason),
            done="The chain goes on.",
            row=self.get_object(request, object_id),
            reason=reason,
        )


class SwitchForm(ReasonForm):
    name = forms.ChoiceField(label="Switch", choices=FlagName.choices, widget=UnfoldAdminSelectWidget)
    on = forms.BooleanField(label="On", required=False, widget=UnfoldBooleanSwitchWidget)
    field_order = ("name", "on", "reason")


@admin.register(Flag)
class FlagAdmin(PanelAdmin):
    list_display = ("name", "on", "reason", "changed_at")
    number_lookups = ()
    text_lookups = ("name__icontains", "reason__icontains")
    actions_list = ("throw",)

    @dialog_action(
        "Throw or release a switch",
        "No switch stops withdrawing, delivering or claiming. Traders see the reason.",
        form=SwitchForm,
    )
    def throw(self, request: HttpRequest, form: SwitchForm) -> HttpResponse:
        name, on = FlagName(form.cleaned_data["name"]), form.cleaned_data["on"]
        reason = form.cleaned_data["reason"]
        return self.carry_out(
            request,
            lambda: flags.flag_set(name=name, on=on, reason=reason),
            done=f"“{name.label}” is {'on' if on else 'off'}.",
            reason=reason,
        )


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(PanelAdmin):
    list_display = ("id", "scope", "endpoint", "key", "status", "created_at")
    list_filter = ("status",)
    date_hierarchy = "created_at"
    ordering = ("-id",)

    # `scope` is text: a wallet's is its address.
    address_lookups = ("scope",)


@admin.register(OutboxEvent)
class OutboxEventAdmin(PanelAdmin):
    list_display = ("id", "type", "aggregate", "sequence", "depth", "created_at", "relayed_at")
    list_filter = ("depth", ("relayed_at", admin.EmptyFieldListFilter))
    ordering = ("-id",)

    def search_condition(self, term: str) -> Q:
        """Also an aggregate as it is written: `deal:0x…`."""
        return super().search_condition(term) | Q(aggregate=term.strip())

    def address_condition(self, address: str) -> Q:
        return Q(aggregate__in=[f"{kind}:{address}" for kind in AGGREGATES_OF_ADDRESSES])

    def hash_condition(self, value: str) -> Q:
        return Q(aggregate__in=[f"{kind}:{value}" for kind in AGGREGATES_OF_HASHES])

    def get_search_fields(self, request: HttpRequest) -> tuple[Any, ...]:
        return ("aggregate", *super().get_search_fields(request))


register_history("core")
