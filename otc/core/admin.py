"""Panel pages of the kernel: chains, kill switches, idempotency keys, the outbox."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanSwitchWidget,
)

from otc.core import chains, flags
from otc.core.models import Chain, Finality, Flag, FlagName, IdempotencyRecord, OutboxEvent
from otc.core.panel import (
    PanelAdmin,
    ReasonForm,
    RowForm,
    dialog_action,
    hex_column,
    register_history,
    time_column,
)

AGGREGATES_OF_HASHES = ("deal", "offer", "market")
AGGREGATES_OF_ADDRESSES = ("funds",)
DEPTH_MAX = 10**6  # blocks


class LinesField(forms.CharField):
    """A list of texts without blanks, one a line."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        return str(super().clean(value)).split()


class ChainPolicyForm(RowForm):
    row_model = Chain
    rpc_urls = LinesField(label="Endpoints", help_text="One a line, best first.")
    safe_depth = forms.IntegerField(min_value=0, max_value=DEPTH_MAX, widget=UnfoldAdminIntegerFieldWidget)
    finality = forms.ChoiceField(choices=Finality.choices, widget=UnfoldAdminSelectWidget)
    final_depth = forms.IntegerField(
        min_value=0,
        max_value=DEPTH_MAX,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Not used with finality by tag.",
    )
    final_quorum = forms.IntegerField(
        min_value=1,
        max_value=DEPTH_MAX,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="So many endpoints must name the same block before it is final.",
    )
    field_order = ("rpc_urls", "safe_depth", "finality", "final_depth", "final_quorum", "reason")


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
    actions_detail = ("resume", "set_policy")

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

    @dialog_action(
        "Change endpoints and depths",
        "The reader and the keeper of this escrow go by them from their next step on. What was final stays final.",
        form=ChainPolicyForm,
    )
    def set_policy(self, request: HttpRequest, form: ChainPolicyForm, object_id: str) -> HttpResponse:
        values = {name: form.cleaned_data[name] for name in form.field_order}
        return self.carry_out(
            request,
            lambda: chains.chain_policy_set(pk=int(object_id), **values),
            done="Endpoints and depths are changed.",
            row=self.get_object(request, object_id),
            reason=values["reason"],
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
