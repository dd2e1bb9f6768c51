"""Shapes of what parties sign and hand to each other: a place for sale, a close, an attestation."""

from rest_framework import serializers

from escrow.api.actions import UINT40_MAX, AttestationShape, CloseShape, ResaleShape
from escrow.api.serializers import Answer
from otc.core.serializers import AddressField, Hash32Field, IntField, StrictSerializer, UintField
from points.api.serializers import EscrowField


class PrepareResaleRequest(StrictSerializer):
    deal_id = Hash32Field()
    account = AddressField(help_text="The party whose place is for sale.")
    price = UintField(help_text="Base units of the payment token.")
    lister_pays = serializers.BooleanField(
        required=False, help_text="The price goes to the taker: a place worth less than nothing."
    )
    taker = AddressField(required=False, help_text="Who alone may take it; anyone by default.")
    expiry = IntField(maximum=UINT40_MAX, required=False, help_text="In a week by default, or at the long-stop.")


class PrepareCloseRequest(StrictSerializer):
    deal_id = Hash32Field()
    to_buyer = UintField(help_text="Base units of all that is locked; the seller gets the rest.")
    deadline = IntField(maximum=UINT40_MAX, required=False, help_text="In a week by default.")


class PrepareAttestationRequest(StrictSerializer):
    deal_id = Hash32Field()
    evidence = Hash32Field(help_text="Hash of what proves the delivery.")
    units = UintField(required=False, help_text="All of the deal by default.")
    valid_until = IntField(maximum=UINT40_MAX, required=False, help_text="The end of the delivery window by default.")


class SignerAnswer(Answer):
    role = serializers.ChoiceField(choices=["buyer", "seller", "attestor"])
    address = AddressField()


class SignableAnswer(Answer):
    deal_id = Hash32Field()
    chain_id = IntField()
    escrow = EscrowField()
    hash = Hash32Field(help_text="The EIP-712 digest.")
    typed_data = serializers.DictField(help_text="Sign with eth_signTypedData_v4.")
    signers = SignerAnswer(many=True, help_text="Who must sign it.")
    explanation = serializers.CharField(help_text="What it means in money and time; a sentence a line.")


class PreparedResaleAnswer(SignableAnswer):
    resale = ResaleShape(help_text="What fill_resale takes, beside the signature.")


class PreparedCloseAnswer(SignableAnswer):
    close = CloseShape(help_text="What mutual_close takes, beside the signatures.")


class PreparedAttestationAnswer(SignableAnswer):
    attestation = AttestationShape(help_text="What attest takes, beside the signature.")
