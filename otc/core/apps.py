from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "otc.core"
    label = "core"
    verbose_name = "Kernel"
