"""Panel pages of accounts. Wallets are closed, opened and tied to a chain; staff accounts are managed by superusers."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from otc.accounts import services
from otc.accounts.models import AccessToken, SignInNonce, User
from otc.core.errors import DomainError
from otc.core.panel import (
    BIGINT_MAX,
    PanelAdmin,
    ReasonForm,
    RowForm,
    dialog_action,
    hex_column,
    link_column,
    register_history,
)


class KindFilter(admin.SimpleListFilter):
    title = "kind"
    parameter_name = "kind"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [("staff", "Staff"), ("wallet", "Wallets")]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        return queryset if self.value() is None else queryset.filter(address__isnull=self.value() == "staff")


class StaffName:
    """A wallet's user name is its address: a staff account may not take one that looks like it."""

    cleaned_data: dict[str, Any]

    def clean(self) -> Any:
        cleaned = super().clean()  # type: ignore[misc]
        if (self.cleaned_data.get("username") or "").lower().startswith("0x"):
            self.add_error("username", "A name can't start with 0x: that is how wallets are named.")  # type: ignore[attr-defined]
        return cleaned


class StaffCreationForm(StaffName, UserCreationForm):  # type: ignore[misc]
    pass


class StaffChangeForm(StaffName, UserChangeForm):  # type: ignore[misc]
    pass


class ContractChainForm(RowForm):
    row_model = User
    contract_chain_id = forms.IntegerField(
        label="Chain",
        min_value=1,
        max_value=BIGINT_MAX,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Its number (EIP-155).",
    )
    field_order = ("contract_chain_id", "reason")


def _by(request: HttpRequest) -> User:
    """Who works in the panel."""
    assert isinstance(request.user, User), "The panel lets nobody else in"  # noqa: S101
    return request.user


@admin.register(User)
class UserAdmin(DjangoUserAdmin, PanelAdmin):  # type: ignore[type-arg,misc]
    """Django's forms hash passwords and check them; they serve staff accounts alone."""

    form = StaffChangeForm
    add_form = StaffCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("name", hex_column("address"), "is_active", "is_staff", "is_superuser", "last_login", "joined_at")
    list_filter = (KindFilter, "is_active", "is_superuser")
    ordering = ("-id",)
    filter_horizontal = ("groups",)
    address_lookups = ("address",)
    text_lookups = ("username__iexact",)
    fieldsets = ((None, {"fields": ("username", "password", "is_staff", "is_superuser", "groups")}),)
    add_fieldsets = (
        (None, {"fields": ("username", "usable_password", "password1", "password2", "is_staff", "groups")}),
    )
    actions_detail = ("close", "open", "set_chain")
    hidden = ("password",)

    @admin.display(description="name", ordering="username")
    def name(self, user: User) -> str:
        return "wallet" if user.address else user.username

    # A staff account can do what it is given here, so only who can do everything may give it.

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return bool(request.user.is_superuser and (obj is None or obj.address is None))

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:  # noqa: ARG002 - Django's signature
        if obj is not None and obj.address is not None:
            return ((None, {"fields": self.details}),)
        return self.add_fieldsets if obj is None else self.fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        if not self.has_change_permission(request, obj):
            return self.details
        return ("is_staff", "is_superuser") if obj == request.user else ()  # so one superuser always remains

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Errors: PermissionDenied when another superuser took the right to do this away meanwhile."""
        try:
            services.superuser_require(user=_by(request))
        except DomainError as error:
            raise PermissionDenied(error.detail) from error
        super().save_model(request, obj, form, change)

    @dialog_action(
        "Close the account", "Signs it out everywhere and refuses its next sign-in. Money in escrow stays its own."
    )
    def close(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        return self._set_active(request, form, object_id, active=False)

    @dialog_action("Open the account again", "It may sign in again.")
    def open(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        return self._set_active(request, form, object_id, active=True)

    @dialog_action(
        "Tie it to another chain",
        "For a contract wallet that can't sign in, for a contract on the account's chain did so first. Signs it out everywhere. "
        "Who has the account acts for the address here: let the owners prove themselves first.",
        form=ContractChainForm,
    )
    def set_chain(self, request: HttpRequest, form: ContractChainForm, object_id: str) -> HttpResponse:
        chain_id, reason = form.cleaned_data["contract_chain_id"], form.cleaned_data["reason"]
        return self.carry_out(
            request,
            lambda: services.account_chain_set(user_id=int(object_id), chain_id=chain_id, reason=reason),
            done=f"The account is the contract's on chain {chain_id}.",
            row=self.get_object(request, object_id),
            reason=reason,
        )

    def _set_active(self, request: HttpRequest, form: ReasonForm, object_id: str, *, active: bool) -> HttpResponse:
        reason = form.cleaned_data["reason"]
        return self.carry_out(
            request,
            lambda: services.account_active_set(user_id=int(object_id), active=active, reason=reason, by=_by(request)),
            done=f"The account is {'open' if active else 'closed'}.",
            row=self.get_object(request, object_id),
            reason=reason,
        )


@admin.register(AccessToken)
class AccessTokenAdmin(PanelAdmin):
    list_display = ("id", link_column("user"), "issued_at", "expires_at")
    list_select_related = ("user",)
    ordering = ("-id",)
    address_lookups = ("user__address",)
    hash_lookups = ("digest",)


@admin.register(SignInNonce)
class SignInNonceAdmin(PanelAdmin):
    list_display = ("nonce", "issued_at", "used_at")
    list_filter = (("used_at", admin.EmptyFieldListFilter),)
    ordering = ("-issued_at",)
    date_hierarchy = "issued_at"
    number_lookups = ()
    text_lookups = ("nonce",)


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
    """Sets of permissions for staff. Django's own; superusers only."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:  # noqa: ARG002
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:  # noqa: ARG002
        return bool(request.user.is_superuser)


register_history("accounts")
