"""What the pages of the admin panel share: read-only rows, exact search by address, hash and number, and actions with a reason.

The panel shows and calls services; it changes no row itself. Searching compares whole values, so that an index answers on tables
of any size; nothing is counted.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar, TypeVar, cast

from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.db.models import Q, QuerySet
from django.forms.models import model_to_dict
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from pghistory.models import Event
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.forms import BaseDialogForm
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminTextareaWidget

from otc.core import clock
from otc.core.amounts import format_amount
from otc.core.errors import DomainError
from otc.core.fields import AddressField, HexField, to_checksum

HEX = re.compile(r"(?:0x)?(?P<digits>[0-9a-f]+)", re.IGNORECASE)
ADDRESS_DIGITS, HASH_DIGITS = 40, 64
BIGINT_MAX = 2**63 - 1
BYTES_SHOWN = 2048
REASON_MAX = 300

Column = Callable[[Any], Any]
ActionT = TypeVar("ActionT", bound=Callable[..., HttpResponse])


# ---------------------------------------------------------------- columns and details


def _named(show: Column, path: str, label: str | None) -> Column:
    return admin.display(
        show, description=label or path.rsplit(".", 1)[-1].replace("_", " "), ordering=path.replace(".", "__")
    )


def _read(path: str) -> Callable[[Any], Any]:
    read = attrgetter(path)

    def value(row: Any) -> Any:
        try:
            return read(row)
        except (AttributeError, ObjectDoesNotExist):  # an empty relation on the way
            return None

    return value


def hex_column(path: str, label: str | None = None) -> Column:
    """A hash or address, shortened; the whole of it on hover."""
    read = _read(path)

    def show(row: Any) -> SafeString | None:
        value = read(row)
        return None if value is None else short_hex(value)

    return _named(show, path, label)


def short_hex(value: str) -> SafeString:
    full = to_checksum(value) if len(value) == ADDRESS_DIGITS + 2 else value
    return format_html('<code title="{}">{}…{}</code>', full, full[:8], full[-6:])


def link_column(path: str, label: str | None = None) -> Column:
    """A related row, by its own name, linked to its page."""
    read = _read(path)

    def show(row: Any) -> SafeString | None:
        value = read(row)
        return None if value is None else link_to(value)

    return _named(show, path, label)


def link_to(row: models.Model) -> SafeString:
    meta = row._meta  # noqa: SLF001 - Django's public name for it
    url = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])
    name = str(row)
    return format_html('<a class="text-link" href="{}">{}</a>', url, short_hex(name) if name[:2] == "0x" else name)


def money_column(path: str, *, unit: str, label: str | None = None) -> Column:
    """Base units of the PayToken at `unit`, as people write them."""
    read, read_token = _read(path), _read(unit)

    def show(row: Any) -> str | None:
        value, pay_token = read(row), read_token(row)
        return None if value is None else f"{format_amount(value, decimals=pay_token.decimals)} {pay_token.symbol}"

    return _named(show, path, label)


def time_column(path: str, label: str | None = None) -> Column:
    """Unix seconds of a chain as a date."""
    read = _read(path)

    def show(row: Any) -> Any:
        value = read(row)
        return clock.from_unix(value) if value else None

    return _named(show, path, label)


def _detail_of(field: "models.Field[Any, Any]") -> Column | None:
    """How a column of chain bytes is shown whole; None: as Django does."""
    if isinstance(field, AddressField):
        return _named(lambda row: _code(getattr(row, field.name), to_checksum), field.name, str(field.verbose_name))
    if isinstance(field, HexField):
        return _named(lambda row: _code(getattr(row, field.name), str), field.name, str(field.verbose_name))
    if isinstance(field, models.BinaryField):
        return _named(lambda row: _code(getattr(row, field.name), _cut_bytes), field.name, str(field.verbose_name))
    return None


def _code(value: Any, text: Callable[[Any], str]) -> SafeString | None:
    return None if value is None else format_html('<code class="break-all">{}</code>', text(value))


def _cut_bytes(value: bytes) -> str:
    raw = bytes(value)
    more = f" … {len(raw):,} bytes in all" if len(raw) > BYTES_SHOWN else ""
    return "0x" + raw[:BYTES_SHOWN].hex() + more


# ---------------------------------------------------------------- actions


class ReasonForm(BaseDialogForm):  # type: ignore[misc]
    reason = forms.CharField(
        max_length=REASON_MAX, widget=UnfoldAdminTextareaWidget, help_text="Kept in the history, with your name."
    )


class RowForm(ReasonForm):
    """Asks for new values of some columns of the row, beside the reason; what is there now is filled in."""

    row_model: ClassVar[type[models.Model]]

    def __init__(self, *, object_id: str, **kwargs: Any) -> None:
        row = get_object_or_404(self.row_model, pk=object_id)
        super().__init__(object_id=object_id, initial=model_to_dict(row), **kwargs)


def dialog_action(title: str, description: str, *, form: type[ReasonForm] = ReasonForm) -> Callable[[ActionT], ActionT]:
    """An action behind a dialog that says what will happen and asks why. The method gets the valid form."""
    dialog = {"title": title, "description": description, "form_class": form, "form_submit_text": title}
    return cast("Callable[[ActionT], ActionT]", action(description=title, permissions=["operate"], dialog=dialog))


# ---------------------------------------------------------------- pages


class PanelAdmin(ModelAdmin):  # type: ignore[misc]
    """A model of the panel. Nothing can be added, changed or deleted unless a subclass says so.

    `*_lookups` name what a search term is compared with, whole: an address, a 32-byte hash, a number; `text_lookups` carry their
    own operator and stand on small tables only. `scopes` gives the foreign key that stands before a lookup in its index. `unix_times` are shown as dates, `hidden` not at all.
    """

    address_lookups: ClassVar[Sequence[str]] = ()
    hash_lookups: ClassVar[Sequence[str]] = ()
    number_lookups: ClassVar[Sequence[str]] = ("pk",)
    text_lookups: ClassVar[Sequence[str]] = ()
    scopes: ClassVar[Mapping[str, str]] = {}
    unix_times: ClassVar[Sequence[str]] = ()
    hidden: ClassVar[Sequence[str]] = ()

    paginator = InfinitePaginator
    show_full_result_count = False
    list_per_page = 50
    list_filter_submit = True
    actions = ()

    def __init__(self, model: type[models.Model], site: admin.AdminSite) -> None:
        super().__init__(model, site)
        self.details: list[str] = []
        for field in model._meta.concrete_fields:  # noqa: SLF001 - Django's public name for it
            if field.name in self.hidden:
                continue
            shown = (
                time_column(field.name, str(field.verbose_name)) if field.name in self.unix_times else _detail_of(field)
            )
            if shown is not None:
                setattr(self, f"{field.name}_whole", shown)
            self.details.append(field.name if shown is None else f"{field.name}_whole")

    # -------- permissions

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_operate_permission(self, request: HttpRequest, _object_id: Any = None) -> bool:
        """May use the actions: those call services. Django's own `change` permission of the model."""
        return bool(request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}"))

    # -------- detail

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[Any]:  # noqa: ARG002
        return self.details

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[Any]:  # noqa: ARG002
        return self.details

    # -------- search

    def get_search_fields(self, request: HttpRequest) -> Sequence[str]:  # noqa: ARG002
        return (*self.address_lookups, *self.hash_lookups, *self.number_lookups, *self.text_lookups)

    @property
    def search_help_text(self) -> str:
        kinds = [
            ("an address", self.address_lookups),
            ("a hash", self.hash_lookups),
            ("a number", self.number_lookups),
            ("text", self.text_lookups),
        ]
        return "Search for " + ", ".join(kind for kind, lookups in kinds if lookups)

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002
        queryset: QuerySet[Any],
        search_term: str,
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        condition = self.search_condition(search_term)
        return (queryset.filter(condition) if condition else queryset.none()), False

    def search_condition(self, term: str) -> Q:
        """What the term may mean, as one condition; empty when it means nothing here. Blanks and case of hex don't matter."""
        text = "".join(term.split())
        condition = Q()
        if found := HEX.fullmatch(text):
            value = "0x" + found["digits"].lower()
            if len(found["digits"]) == ADDRESS_DIGITS:
                condition |= self.address_condition(value)
            elif len(found["digits"]) == HASH_DIGITS:
                condition |= self.hash_condition(value)
        if text.isascii() and text.isdigit() and len(text) < ADDRESS_DIGITS and int(text) <= BIGINT_MAX:
            condition |= self._any_of(self.number_lookups, int(text))
        return condition | self._any_of(self.text_lookups, term.strip())

    def address_condition(self, address: str) -> Q:
        return self._any_of(self.address_lookups, address)

    def hash_condition(self, value: str) -> Q:
        return self._any_of(self.hash_lookups, value)

    def _any_of(self, lookups: Iterable[str], value: object) -> Q:
        condition = Q()
        for lookup in lookups:
            one = Q(**{lookup: value})
            if scope := self.scopes.get(lookup):
                parents = self.opts.get_field(scope).related_model.objects.order_by().values("pk")
                one &= Q(**{f"{scope}__in": parents})
            condition |= one
        return condition

    # -------- actions

    def carry_out(
        self, request: HttpRequest, service: Callable[[], Any], *, done: str, row: Any = None, reason: str
    ) -> HttpResponse:
        """Calls `service` and tells the outcome on the page the operator came from; what was done is logged under `row`."""
        try:
            result = service()
        except DomainError as error:
            messages.error(request, error.detail)
        else:
            self.log_change(request, row or result, f"{done} Reason: {reason}")
            messages.success(request, done)
        back = self._page_of(row)
        # The dialog posts by htmx, which follows this header; without script the page comes plainly.
        return HttpResponse(headers={"HX-Redirect": back, "Location": back}, status=200 if _is_htmx(request) else 302)

    def _page_of(self, row: Any) -> str:
        base = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        return reverse(f"{base}_changelist") if row is None else reverse(f"{base}_change", args=[row.pk])


def _is_htmx(request: HttpRequest) -> bool:
    return bool(request.headers.get("HX-Request"))


# ---------------------------------------------------------------- history


class HistoryAdmin(PanelAdmin):
    """What database triggers kept of a model: each change, when, by whom and why."""

    list_display = ("pgh_created_at", "pgh_label", "subject", "why")
    list_select_related = ("pgh_context",)
    list_filter = ("pgh_label",)
    number_lookups = ("pgh_id", "pgh_obj_id")
    ordering = ("-pgh_id",)

    @admin.display(description="of")
    def subject(self, row: Any) -> SafeString | str:
        if row.pgh_obj_id is None:
            return "deleted"
        meta = row.pgh_tracked_model._meta  # noqa: SLF001 - Django's public name for it
        url = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pgh_obj_id])
        return format_html('<a class="text-link" href="{}">{} {}</a>', url, meta.verbose_name, row.pgh_obj_id)

    @admin.display(description="reason")
    def why(self, row: Any) -> str:
        return row.pgh_context.metadata.get("reason", "") if row.pgh_context else ""


def register_history(app_label: str) -> None:
    """Puts the history tables of an app into the panel."""
    for model in apps.get_app_config(app_label).get_models():
        if issubclass(model, Event):
            tracked: Any = model.pgh_tracked_model
            model._meta.verbose_name_plural = f"{tracked._meta.verbose_name} changes"  # noqa: SLF001 - Django's public name
            admin.site.register(model, HistoryAdmin)
