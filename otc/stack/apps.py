from django.apps import AppConfig


class StackConfig(AppConfig):
    """No models: the commands `up`, `test` and `lint`."""

    name = "otc.stack"
    label = "stack"
