from rest_framework import serializers

from otc.core.serializers import AddressField, HexBytesField, StrictSerializer
from otc.core.signatures import SIGNATURE_MAX


class NonceRequest(StrictSerializer):
    address = AddressField()
    chain_id = serializers.IntegerField(min_value=1, max_value=2**53 - 1)


class NonceAnswer(serializers.Serializer[object]):
    nonce = serializers.CharField()
    message = serializers.CharField(help_text="Sign exactly this text with personal_sign.")


class VerifyRequest(StrictSerializer):
    message = serializers.CharField(max_length=1000, trim_whitespace=False)
    signature = HexBytesField(max_bytes=SIGNATURE_MAX)


class VerifyAnswer(serializers.Serializer[object]):
    token = serializers.CharField(help_text="Send as `Authorization: Bearer <token>`. Shown this once.")
    expires_at = serializers.DateTimeField()
    address = AddressField()


class MembershipAnswer(serializers.Serializer[object]):
    slug = serializers.CharField(source="project.slug")
    name = serializers.CharField(source="project.name")


class MeAnswer(serializers.Serializer[object]):
    address = AddressField()
    joined_at = serializers.DateTimeField()
    projects = MembershipAnswer(many=True, source="memberships")
