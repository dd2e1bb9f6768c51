"""Paths of the pages. Partials that htmx asks for lie beside their page."""

from django.urls import URLPattern, path

from otc.web.views import markets, portfolio, session, trade, transactions

app_name = "web"

urlpatterns: list[URLPattern] = [
    path("", markets.markets, name="markets"),
    path("markets/table", markets.markets_table, name="markets_table"),
    path("markets/<int:escrow>/<str:market_id>", markets.market, name="market"),
    path("markets/<int:escrow>/<str:market_id>/live", markets.market_live, name="market_live"),
    path("markets/<int:escrow>/<str:market_id>/funds", markets.market_funds, name="market_funds"),
    path("markets/<int:escrow>/<str:market_id>/offers", trade.offer_new, name="offer_new"),
    path("markets/<int:escrow>/<str:market_id>/outcome", trade.offer_outcome, name="offer_outcome"),
    path("offers/signed", trade.offer_signed, name="offer_signed"),
    path("offers/<str:offer_hash>", trade.offer, name="offer"),
    path("offers/<str:offer_hash>/outcome", trade.take_outcome, name="take_outcome"),
    path("offers/<str:offer_hash>/withdraw", trade.offer_withdraw, name="offer_withdraw"),
    path("offers/<str:offer_hash>/cancel", transactions.offer_cancel, name="offer_cancel"),
    path("portfolio", portfolio.portfolio, name="portfolio"),
    path("portfolio/live", portfolio.portfolio_live, name="portfolio_live"),
    path("portfolio/withdraw/<int:escrow>/<str:token>", transactions.withdraw, name="withdraw"),
    path("portfolio/rights", portfolio.rights, name="rights"),
    path("portfolio/rights/<int:kept>", transactions.withdraw_right, name="withdraw_right"),
    path("portfolio/deposit/<int:token_id>", transactions.deposit, name="deposit"),
    path("portfolio/bump/<int:escrow>", transactions.bump, name="bump"),
    path("portfolio/deliver/<int:escrow>/<str:token>", transactions.deliver_all, name="deliver_all"),
    path("deals/<str:deal_id>", portfolio.deal, name="deal"),
    path("deals/<str:deal_id>/deliver", transactions.deliver, name="deliver"),
    path("deals/<str:deal_id>/slash", transactions.slash, name="slash"),
    path("deals/<str:deal_id>/refund", transactions.refund, name="refund"),
    path("transactions/<int:escrow>/<str:tx_hash>", transactions.status, name="transaction_status"),
    path("sign-in/message", session.sign_in_message, name="sign_in_message"),
    path("sign-in", session.sign_in, name="sign_in"),
    path("sign-out", session.sign_out, name="sign_out"),
]
