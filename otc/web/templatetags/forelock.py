"""Filters and tags of the pages. Figures come from otc.web.figures; times are written in UTC and turned local by the browser."""

from datetime import datetime

from django import template
from django.template import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString

from escrow.models import SettlementTerms
from otc.core import clock
from otc.core.fields import to_checksum
from otc.core.models import Chain
from otc.web import figures
from otc.web.links import market_path
from points.models import Market, PayToken, Program

register = template.Library()


@register.filter
def money(value: int, token: PayToken) -> str:
    """`1,234.5 USDC`."""
    return f"{figures.amount(value, decimals=token.decimals)} {token.symbol}"


@register.filter
def money_exact(value: int, token: PayToken) -> str:
    """As `money`, to the last base unit: for what is signed."""
    return f"{figures.amount(value, decimals=token.decimals, exact=True)} {token.symbol}"


@register.filter
def units(value: int, program: Program) -> str:
    """`1,500`: units of a program, without the word."""
    return figures.amount(value, decimals=program.unit_decimals)


@register.filter
def unit_word(program: Program, value: int) -> str:
    """The word for that many units: `point`, `points`; names in capitals stay."""
    one = value == 10**program.unit_decimals
    return program.unit_name if one or program.unit_name.isupper() else plural(program.unit_name)


@register.filter
def plural(word: str) -> str:
    """English enough for unit names."""
    return word if word.isupper() or word.endswith("s") else f"{word}s"


@register.filter
def price(price_e18: int | str | None, market: Market) -> str:
    """Price of one unit, without the token's symbol; a dash for none."""
    if not price_e18:
        return "\N{EN DASH}"
    return figures.price(
        int(price_e18), unit_decimals=market.program.unit_decimals, pay_decimals=market.pay_token.decimals
    )


percent = register.filter("percent", figures.percent)
short = register.filter("short", figures.short)
checksum = register.filter("checksum", to_checksum)
term = register.filter("term", figures.long_duration)
register.simple_tag(market_path)


@register.filter
def amount(value: int, decimals: int | None) -> str:
    """A token amount by its decimals; base units, said so, where the token does not tell them."""
    if decimals is None:
        return f"{value:,} base units"
    return figures.amount(value, decimals=decimals)


@register.filter
def due(value: int, terms: SettlementTerms) -> str:
    """`1,234.5 HRB`, or `3 pieces of KEY`: what settlement terms deliver."""
    if terms.semi_fungible is None:
        return f"{amount(value, terms.token_decimals)} {terms.token_symbol}".rstrip()
    return figures.pieces(value, terms.token_symbol)


@register.simple_tag(takes_context=True)
def query_with(context: Context, name: str, value: int) -> str:
    """The page's query string with one name changed: how a list is turned to another page, and all else stays."""
    query = context["request"].GET.copy()
    query[name] = str(value)
    return f"?{query.urlencode()}"


@register.simple_tag
def when(at: int | datetime) -> SafeString:
    """A moment: UTC in the markup, local time with UTC beside it once the script runs."""
    moment = at if isinstance(at, datetime) else clock.from_unix(at)
    return format_html(
        '<time datetime="{}" data-local>{}</time>',
        moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        moment.strftime("%-d %b %Y, %H:%M UTC"),
    )


@register.simple_tag
def countdown(until: int, now: int, since: int | None = None, says: str = "") -> SafeString:
    """Time left on the chain's clock. `since` gives the whole, for thresholds; `says` what is announced there and at zero."""
    return format_html(
        '<time class="countdown" datetime="{}" data-countdown="{}" data-now="{}" data-since="{}" data-says="{}">{}</time>',
        clock.from_unix(until).strftime("%Y-%m-%dT%H:%M:%SZ"),
        until,
        now,
        since or "",
        says,
        figures.duration(until - now),
    )


@register.simple_tag
def account(address: str, chain: Chain | None = None) -> SafeString:
    """An address, short, whole in its title; a link where the chain has an explorer."""
    whole = to_checksum(address)
    if chain is not None and chain.explorer_url:
        return format_html(
            '<a class="link link-hover font-mono text-[0.92em]" title="{}" href="{}/address/{}" rel="noreferrer">{}</a>',
            whole,
            chain.explorer_url.rstrip("/"),
            whole,
            figures.short(whole),
        )
    return format_html('<span class="font-mono text-[0.92em]" title="{}">{}</span>', whole, figures.short(whole))


@register.filter
def plain_short(value: int, token: PayToken) -> str:
    """`1,234.5`: money without its symbol, where the column says it."""
    return figures.amount(value, decimals=token.decimals)
