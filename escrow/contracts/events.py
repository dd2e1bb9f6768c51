"""The events of both escrows. They share most; no topic means one thing here and another there, so one decoder reads both."""

from escrow.contracts import bindings, rights_bindings

Event = (
    bindings.Event | rights_bindings.RightsProposed | rights_bindings.RightsDelivered | rights_bindings.RightWithdrawn
)
EVENTS: dict[str, type[Event]] = {**bindings.EVENTS, **rights_bindings.EVENTS}
