from django.http import HttpRequest


def venue(request: HttpRequest) -> dict[str, object]:
    """What every page knows: nothing yet beyond Django's own."""
    return {}
