from django.http import HttpRequest

from otc.core.models import Chain


def venue(_request: HttpRequest) -> dict[str, object]:
    """What every page knows: the chains served."""
    return {"chains": Chain.objects.filter(active=True)}
