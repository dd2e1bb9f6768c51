"""Panel pages of what is traded. Rows are written by services and by the chain's projection; operators verify and list."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from otc.core.panel import (
    PanelAdmin,
    ReasonForm,
    dialog_action,
    hex_column,
    link_column,
    money_column,
    register_history,
    time_column,
)
from points.models import (
    AllocationList,
    AllocationRow,
    MakerEpoch,
    MakerFunds,
    MakerNonces,
    Market,
    Offer,
    PayToken,
    Program,
    Project,
    ProjectMember,
    UnknownMarket,
    UnknownOffer,
)
from points.services import moderation


@admin.register(Project)
class ProjectAdmin(PanelAdmin):
    list_display = ("name", "slug", "verified", "website", "created_at")
    list_filter = ("verified",)
    date_hierarchy = "created_at"
    address_lookups = ("members__user__address",)
    text_lookups = ("slug__iexact", "name__icontains")
    actions_detail = ("verify", "unverify")

    @dialog_action("Mark as verified", "Traders see that operators have checked the team behind this project.")
    def verify(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        return self._set_verified(request, form, object_id, verified=True)

    @dialog_action("Take the mark away", "The project is shown as not verified.")
    def unverify(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        return self._set_verified(request, form, object_id, verified=False)

    def _set_verified(self, request: HttpRequest, form: ReasonForm, object_id: str, *, verified: bool) -> HttpResponse:
        reason = form.cleaned_data["reason"]
        return self.carry_out(
            request,
            lambda: moderation.project_verified_set(project_id=int(object_id), verified=verified, reason=reason),
            done=f"The project is {'verified' if verified else 'not verified any more'}.",
            row=self.get_object(request, object_id),
            reason=reason,
        )


@admin.register(ProjectMember)
class ProjectMemberAdmin(PanelAdmin):
    list_display = ("id", link_column("project"), link_column("user"), "added_at")
    list_select_related = ("project", "user")
    ordering = ("-id",)
    address_lookups = ("user__address",)
    text_lookups = ("project__slug__iexact",)


@admin.register(Program)
class ProgramAdmin(PanelAdmin):
    list_display = ("name", "slug", link_column("project"), "kind", "unit_name", "unit_decimals", "created_at")
    list_select_related = ("project",)
    list_filter = ("kind",)
    date_hierarchy = "created_at"
    text_lookups = ("slug__iexact", "name__icontains", "project__slug__iexact")


@admin.register(AllocationList)
class AllocationListAdmin(PanelAdmin):
    list_display = (
        "file_name",
        link_column("program"),
        link_column("uploaded_by"),
        "state",
        "row_count",
        "error_count",
        hex_column("root"),
        "created_at",
    )
    list_select_related = ("program", "uploaded_by")
    list_filter = ("state",)
    date_hierarchy = "created_at"
    address_lookups = ("uploaded_by__address",)
    hash_lookups = ("root", "file_sha256")
    text_lookups = ("program__slug__iexact",)
    hidden = ("file",)  # nobody is served the upload itself


@admin.register(AllocationRow)
class AllocationRowAdmin(PanelAdmin):
    list_display = ("id", link_column("list"), "position", hex_column("address"), "amount")
    list_select_related = ("list",)
    ordering = ("-id",)
    address_lookups = ("address",)
    number_lookups = ("pk", "list")
    scopes = {"address": "list"}


@admin.register(PayToken)
class PayTokenAdmin(PanelAdmin):
    list_display = ("symbol", hex_column("address"), link_column("chain"), "decimals", "allowed")
    list_select_related = ("chain",)
    list_filter = ("allowed", "chain")
    address_lookups = ("address",)
    text_lookups = ("symbol__iexact",)


@admin.register(Market)
class MarketAdmin(PanelAdmin):
    list_display = (
        "__str__",
        hex_column("market_id"),
        link_column("program"),
        link_column("pay_token"),
        "status",
        "listed",
        "deal_count",
        time_column("long_stop"),
    )
    list_select_related = ("program", "pay_token")
    list_filter = ("status", "listed", "chain")
    date_hierarchy = "created_at"
    address_lookups = ("resolver", "guardian", "attestor", "arbitrator", "pay_token__address")
    hash_lookups = ("market_id", "rules_hash")
    text_lookups = ("program__slug__iexact", "program__name__icontains")
    unix_times = ("long_stop",)
    actions_detail = ("list_market", "unlist_market")

    @dialog_action("List", "The front page and the public list show this market.")
    def list_market(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        return self._set_listed(request, form, object_id, listed=True)

    @dialog_action("Unlist", "Lists no longer show it. Open offers and deals go on, and exits always work.")
    def unlist_market(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        return self._set_listed(request, form, object_id, listed=False)

    def _set_listed(self, request: HttpRequest, form: ReasonForm, object_id: str, *, listed: bool) -> HttpResponse:
        reason = form.cleaned_data["reason"]
        return self.carry_out(
            request,
            lambda: moderation.market_listed_set(market_pk=int(object_id), listed=listed, reason=reason),
            done=f"The market is {'listed' if listed else 'not listed any more'}.",
            row=self.get_object(request, object_id),
            reason=reason,
        )


@admin.register(Offer)
class OfferAdmin(PanelAdmin):
    list_display = (
        "id",
        hex_column("offer_hash"),
        link_column("market"),
        "side",
        hex_column("maker"),
        "units",
        money_column("payment", unit="market.pay_token"),
        money_column("collateral", unit="market.pay_token"),
        "filled_units",
        "state",
        time_column("expiry"),
    )
    list_select_related = ("market__program", "market__pay_token")
    list_filter = ("state", "side", "withdrawn", "market__chain")
    ordering = ("-id",)
    address_lookups = ("maker",)
    hash_lookups = ("offer_hash", "market__market_id")
    unix_times = ("expiry",)


@admin.register(MakerFunds)
class MakerFundsAdmin(PanelAdmin):
    list_display = ("id", hex_column("maker"), link_column("pay_token"), money_column("free", unit="pay_token"))
    list_select_related = ("pay_token",)
    list_filter = ("pay_token",)
    ordering = ("-id",)
    address_lookups = ("maker",)
    scopes = {"maker": "pay_token"}


@admin.register(MakerEpoch)
class MakerEpochAdmin(PanelAdmin):
    list_display = ("id", hex_column("maker"), link_column("chain"), "epoch")
    list_select_related = ("chain",)
    ordering = ("-id",)
    address_lookups = ("maker",)
    scopes = {"maker": "chain"}


@admin.register(MakerNonces)
class MakerNoncesAdmin(PanelAdmin):
    list_display = ("id", hex_column("maker"), link_column("chain"), "word")
    list_select_related = ("chain",)
    ordering = ("-id",)
    address_lookups = ("maker",)
    scopes = {"maker": "chain"}


@admin.register(UnknownMarket)
class UnknownMarketAdmin(PanelAdmin):
    list_display = ("id", hex_column("market_id"), link_column("chain"), "status")
    list_select_related = ("chain",)
    ordering = ("-id",)
    hash_lookups = ("market_id",)


@admin.register(UnknownOffer)
class UnknownOfferAdmin(PanelAdmin):
    list_display = ("id", hex_column("offer_hash"), link_column("chain"), "filled_units", "cancelled")
    list_select_related = ("chain",)
    ordering = ("-id",)
    hash_lookups = ("offer_hash",)
    scopes = {"offer_hash": "chain"}


register_history("points")
