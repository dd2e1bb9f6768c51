"""Paths of the settlement side, under /api/v1/."""

from django.urls import path

from escrow.api import views

urlpatterns = [
    path("status", views.StatusView.as_view()),
    path("deals", views.DealsView.as_view()),
    path("deals/<str:deal_id>", views.DealView.as_view()),
    path("deals/<str:deal_id>/receipt", views.ReceiptView.as_view()),
    path("markets/<str:market_id>", views.MarketView.as_view()),
    path("markets/<str:market_id>/deals", views.MarketDealsView.as_view()),
    path("balances/<str:address>", views.BalancesView.as_view()),
    path("rights/<str:address>", views.RightsView.as_view()),
    path("solvency", views.SolvencyView.as_view()),
    path("resales/prepare", views.PrepareResaleView.as_view()),
    path("closes/prepare", views.PrepareCloseView.as_view()),
    path("attestations/prepare", views.PrepareAttestationView.as_view()),
    path("tx/prepare", views.PrepareView.as_view()),
]
