"""What otc.api.urls includes under /api/v1/."""

from django.urls import URLPattern, path

from points.api.views import allocation_lists, markets, offers, projects

urlpatterns: list[URLPattern] = [
    path("pay-tokens", projects.PayTokensView.as_view()),
    path("projects", projects.ProjectsView.as_view()),
    path("projects/<slug:slug>", projects.ProjectView.as_view()),
    path("programs", projects.ProgramsView.as_view()),
    path("programs/<slug:slug>", projects.ProgramView.as_view()),
    path("programs/<slug:slug>/allocation-lists", allocation_lists.AllocationListsView.as_view()),
    path("allocation-lists/<int:list_id>", allocation_lists.AllocationListView.as_view()),
    path("allocation-lists/<int:list_id>/proof", allocation_lists.AllocationProofView.as_view()),
    path("merkle/verify", allocation_lists.MerkleVerifyView.as_view()),
    path("markets", markets.MarketsView.as_view()),
    path("markets/<str:market_id>", markets.MarketView.as_view()),
    path("markets/<str:market_id>/book", markets.BookView.as_view()),
    path("offers", offers.OffersView.as_view()),
    path("offers/prepare", offers.PrepareOfferView.as_view()),
    path("offers/<str:offer_hash>", offers.OfferView.as_view()),
    path("offers/<str:offer_hash>/withdraw", offers.WithdrawOfferView.as_view()),
]
