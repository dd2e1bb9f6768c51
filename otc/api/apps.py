from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "otc.api"
    label = "api"

    def ready(self) -> None:
        from otc.api import schema  # noqa: F401 - tells drf-spectacular of our tokens
