"""The one error that services raise, and the closed list of its codes.

The API turns it into RFC 9457 problem JSON, pages into a sentence beside the field; both say which rule and what to do.
"""

from enum import StrEnum


class ErrorCode(StrEnum):
    """Stable codes: part of the public API, never renamed."""

    INVALID = "invalid"
    NOT_FOUND = "not_found"
    FORBIDDEN = "forbidden"
    SIGN_IN_REQUIRED = "sign_in_required"
    SIGN_IN_REFUSED = "sign_in_refused"
    AMOUNT_INVALID = "amount_invalid"
    ADDRESS_INVALID = "address_invalid"
    SIGNATURE_INVALID = "signature_invalid"
    MARKET_NOT_OPEN = "market_not_open"
    OFFER_EXPIRED = "offer_expired"
    OFFER_STALE_EPOCH = "offer_stale_epoch"
    OFFER_CONSUMED = "offer_consumed"
    OFFER_TOO_SMALL = "offer_too_small"
    OFFER_NOT_FOR_YOU = "offer_not_for_you"
    OFFER_NOT_OPEN = "offer_not_open"
    OFFERS_TOO_MANY = "offers_too_many"
    FUNDS_INSUFFICIENT = "funds_insufficient"
    FILL_INVALID = "fill_invalid"
    DEAL_NOT_OPEN = "deal_not_open"
    DEADLINE_PASSED = "deadline_passed"
    TOO_EARLY = "too_early"
    SIMULATION_FAILED = "simulation_failed"
    CHAIN_UNAVAILABLE = "chain_unavailable"
    LIST_INVALID = "list_invalid"
    CONFLICT = "conflict"
    IDEMPOTENCY_KEY_MISSING = "idempotency_key_missing"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    IDEMPOTENCY_IN_FLIGHT = "idempotency_in_flight"
    PAUSED = "paused"
    # Refusals of the protocol itself, before any rule of ours.
    MALFORMED = "malformed"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_ACCEPTABLE = "not_acceptable"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    TOO_MANY_REQUESTS = "too_many_requests"
    INTERNAL = "internal"


# HTTP status of each code that is not 422 (the request was understood, a rule refuses it).
STATUS_OF: dict[ErrorCode, int] = {
    ErrorCode.INVALID: 400,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.SIGN_IN_REQUIRED: 401,
    ErrorCode.SIGN_IN_REFUSED: 401,
    ErrorCode.AMOUNT_INVALID: 400,
    ErrorCode.ADDRESS_INVALID: 400,
    ErrorCode.CONFLICT: 409,
    ErrorCode.OFFER_CONSUMED: 409,
    ErrorCode.IDEMPOTENCY_KEY_MISSING: 400,
    ErrorCode.IDEMPOTENCY_IN_FLIGHT: 409,
    ErrorCode.CHAIN_UNAVAILABLE: 503,
    ErrorCode.PAUSED: 503,
    ErrorCode.MALFORMED: 400,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.NOT_ACCEPTABLE: 406,
    ErrorCode.TOO_LARGE: 413,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ErrorCode.TOO_MANY_REQUESTS: 429,
    ErrorCode.INTERNAL: 500,
}
DEFAULT_STATUS = 422


class DomainError(Exception):
    """A rule refuses. `detail` names the rule and what to do, `field` the input at fault (its JSON name)."""

    def __init__(self, code: ErrorCode, detail: str, *, field: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.field = field

    @property
    def status(self) -> int:
        return STATUS_OF.get(self.code, DEFAULT_STATUS)
