"""What people type. A form turns text into base units and says beside the field what is wrong; services judge the rest."""

from decimal import Decimal
from typing import Any

from django import forms

from otc.core.amounts import parse_amount
from otc.core.errors import DomainError
from otc.core.fields import ZERO_ADDRESS, normal_hex
from otc.web.holdings import Funds
from points.models import Market, Offer, PayToken

HOUR = 3600
PERIODS = {"1h": HOUR, "1d": 24 * HOUR, "7d": 7 * 24 * HOUR, "30d": 30 * 24 * HOUR, "90d": 90 * 24 * HOUR}
PERIOD_NAMES = [("1h", "1 hour"), ("1d", "1 day"), ("7d", "7 days"), ("30d", "30 days"), ("90d", "90 days")]
COLLATERAL_MAX_PERCENT = 100_000


class AmountField(forms.CharField):
    """A decimal text as base units (`int`, above zero)."""

    def __init__(self, *, decimals: int = 0, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 60)
        super().__init__(**kwargs)
        self.decimals = decimals
        self.widget.attrs.update({"inputmode": "decimal", "autocomplete": "off", "placeholder": "0", "class": "grow"})

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            amount = parse_amount(text, decimals=self.decimals, field="")
        except DomainError as error:
            raise forms.ValidationError(error.detail) from error
        if amount == 0:
            raise forms.ValidationError("More than zero, please.")
        return amount


class MarkedForm(forms.Form):
    """Fields at fault are marked for assistive technology, and point at their messages."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)

    def mark(self) -> "MarkedForm":
        """Marks what validation found; call after `is_valid`."""
        for name in self.errors:
            if name in self.fields:
                self.fields[name].widget.attrs.update(
                    {"aria-invalid": "true", "aria-describedby": f"{self[name].id_for_label}-error"}
                )
        return self

    def add_domain_error(self, error: DomainError, names: dict[str, str] | None = None) -> None:
        """Puts a service's refusal beside the field it names (`names` maps the service's names to the form's)."""
        field = (names or {}).get(error.field, error.field)
        self.add_error(field if field in self.fields else None, error.detail)


class DepositForm(MarkedForm):
    def __init__(self, *args: Any, token: PayToken, **kwargs: Any) -> None:
        kwargs.setdefault("prefix", "deposit")
        super().__init__(*args, **kwargs)
        self.fields["amount"] = AmountField(decimals=token.decimals)


class WithdrawForm(MarkedForm):
    def __init__(self, *args: Any, funds: Funds, **kwargs: Any) -> None:
        kwargs.setdefault("prefix", "withdraw")
        super().__init__(*args, **kwargs)
        self.free = funds.free
        self.fields["amount"] = AmountField(decimals=funds.decimals or 0)

    def clean_amount(self) -> int:
        amount: int = self.cleaned_data["amount"]
        if amount > self.free:
            raise forms.ValidationError(
                "More than your free balance. Money locked in open deals comes free when they end."
            )
        return amount


class OfferForm(MarkedForm):
    """An offer to post. `cleaned_data` gains `payment`, `collateral_amount` and `min_fill` in base units."""

    side = forms.ChoiceField(choices=[("buy", "Buy"), ("sell", "Sell")], initial="buy")
    price_of = forms.ChoiceField(
        choices=[("unit", "one unit"), ("all", "all of it")],
        initial="unit",
        widget=forms.Select(attrs={"class": "select"}),
    )
    collateral = forms.DecimalField(
        min_value=0,
        max_value=COLLATERAL_MAX_PERCENT,
        decimal_places=2,
        initial=100,
        error_messages={"max_value": "At most %(limit_value)s percent."},
    )
    fill = forms.ChoiceField(choices=[("part", "in parts"), ("whole", "all or none")], initial="part")
    expiry = forms.ChoiceField(choices=PERIOD_NAMES, initial="7d", widget=forms.Select(attrs={"class": "select"}))
    taker = forms.CharField(
        required=False,
        max_length=42,
        widget=forms.TextInput(attrs={"class": "input font-mono text-sm", "placeholder": "0x…", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, market: Market, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "offer-%s")
        super().__init__(*args, **kwargs)
        self.market = market
        self.fields["units"] = AmountField(decimals=market.program.unit_decimals)
        self.fields["min_fill"] = AmountField(decimals=market.program.unit_decimals, required=False)
        self.fields["price"] = AmountField(decimals=max(18, market.pay_token.decimals))
        collateral = self.fields["collateral"]
        collateral.widget = forms.TextInput(
            attrs={"inputmode": "decimal", "class": "w-full", "data-mirror": "#collateral-slider"}
        )
        self.fields["price_of"].choices = [("unit", f"one {market.program.unit_name}"), ("all", "all of it")]  # type: ignore[attr-defined]

    def clean_taker(self) -> str:
        text = str(self.cleaned_data["taker"]).strip()
        if not text:
            return ZERO_ADDRESS
        try:
            return normal_hex(text, 20)
        except ValueError as error:
            raise forms.ValidationError("An address is 0x and 40 hex digits.") from error

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        data["period"] = PERIODS.get(data.get("expiry", ""), HOUR)
        if not {"units", "price", "price_of", "collateral"} <= data.keys():
            return data
        data["payment"] = payment = self._payment(data)
        if payment == 0:
            self.add_error("price", "The whole offer would cost less than the token's smallest unit.")
            return data
        data["collateral_amount"] = int(payment * Decimal(data["collateral"]) / 100)
        if data.get("fill") == "whole":
            data["min_fill"] = data["units"]
        elif data.get("min_fill") and data["min_fill"] > data["units"]:
            self.add_error("min_fill", "Not more than the whole offer.")
        elif data.get("min_fill") == data["units"]:
            data["fill"] = "whole"
        return data

    def _payment(self, data: dict[str, Any]) -> int:
        """The signed total, base units, cut to whole base units (the total is what is signed; the price follows)."""
        price, token = data["price"], self.market.pay_token
        scale = 10 ** (max(18, token.decimals) - token.decimals)
        if data["price_of"] == "all":
            return int(price // scale)
        return int(price * data["units"] // (scale * 10**self.market.program.unit_decimals))


class TakeForm(MarkedForm):
    def __init__(self, *args: Any, offer: Offer, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "take-%s")
        super().__init__(*args, **kwargs)
        self.offer = offer
        self.fields["units"] = AmountField(decimals=offer.market.program.unit_decimals)
        if offer.all_or_none:
            self.fields["units"].widget.attrs["readonly"] = True

    def clean_units(self) -> int:
        units: int = self.cleaned_data["units"]
        least = min(self.offer.min_fill, self.offer.units - self.offer.filled_units)
        if units > self.offer.fillable_units:
            raise forms.ValidationError("More than what is available.")
        if units < least:
            raise forms.ValidationError("Less than the smallest part that the maker accepts.")
        return units


IDS_MAX = 5_000


def whole_numbers(text: str) -> list[int]:
    """Ids as people paste them: separated by spaces, commas or lines. Errors: ValidationError."""
    words = text.replace(",", " ").split()
    if not all(word.isascii() and word.isdigit() and int(word) < 2**256 for word in words):
        raise forms.ValidationError("Whole numbers only, separated by spaces or lines.")
    return [int(word) for word in words]


class DeliverRightsForm(MarkedForm):
    """Which pieces of one tranche: ids of an ERC-721; of an ERC-1155 id and amount, a pair a line."""

    def __init__(self, *args: Any, semi_fungible: bool, left: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.semi_fungible, self.left = semi_fungible, left
        area = forms.Textarea(attrs={"rows": 3, "class": "textarea w-full font-mono"})
        # A tranche is open while something is left of it, or where nothing was due from the first: that one is settled with no piece.
        self.fields["ids"] = forms.CharField(widget=area, required=left > 0)
        self.fields["allowed"] = forms.CharField(widget=area, required=False, max_length=500_000)
        self.fields["to_escrow"] = forms.BooleanField(
            required=False, widget=forms.CheckboxInput(attrs={"class": "checkbox checkbox-sm mt-0.5"})
        )

    def clean_ids(self) -> dict[int, int]:
        """Pieces by id."""
        numbers = whole_numbers(self.cleaned_data["ids"])
        if self.semi_fungible and len(numbers) % 2:
            raise forms.ValidationError("Two numbers for each: the id, and how many of it.")
        pairs = list(zip(numbers[::2], numbers[1::2], strict=True)) if self.semi_fungible else [(n, 1) for n in numbers]
        found = dict(pairs)
        if len(found) != len(pairs):
            raise forms.ValidationError("Each id once.")
        if sum(found.values()) > self.left:
            raise forms.ValidationError(f"More than is due: {self.left:,} can still be delivered.")
        return found

    def clean_allowed(self) -> list[int]:
        numbers = whole_numbers(self.cleaned_data["allowed"])
        if len(numbers) > IDS_MAX:
            raise forms.ValidationError(f"At most {IDS_MAX:,} ids here: use the API with proofs.")
        return numbers


class DeliverForm(MarkedForm):
    """How much of one tranche's due tokens to deliver; empty delivers the rest."""

    def __init__(self, *args: Any, decimals: int, left: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.left = left
        self.fields["amount"] = AmountField(decimals=decimals, required=False)
        self.fields["to_escrow"] = forms.BooleanField(
            required=False, widget=forms.CheckboxInput(attrs={"class": "checkbox checkbox-sm mt-0.5"})
        )

    def clean_amount(self) -> int:
        amount = self.cleaned_data["amount"] or self.left
        if amount > self.left:
            raise forms.ValidationError("More than is due: the surplus would be a gift.")
        return int(amount)
