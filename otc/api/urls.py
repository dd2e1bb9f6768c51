"""/api/v1/: sign-in and the schema here, the rest with what it is about."""

from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from otc.api import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("auth/nonce", views.NonceView.as_view()),
    path("auth/verify", views.VerifyView.as_view()),
    path("auth/sign-out", views.SignOutView.as_view()),
    path("me", views.MeView.as_view()),
    # Settlement first: its page of a market says more than that of points, at the same path.
    path("", include("escrow.api.urls")),
    path("", include("points.api.urls")),
    path("schema", SpectacularAPIView.as_view(), name="schema"),
    path("docs", SpectacularSwaggerView.as_view(url_name="schema"), name="api-docs"),
]
