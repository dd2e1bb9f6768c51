"""Every path of the site: the REST API, the admin panel, health, and the pages."""

from django.contrib import admin
from django.urls import include, path

from otc.api import health, metrics

urlpatterns = [
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("metrics", metrics.metrics),
    path("api/v1/", include("otc.api.urls")),
    path("admin/", admin.site.urls),
    path("", include("otc.web.urls")),
]
