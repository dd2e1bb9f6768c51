"""/metrics for Prometheus: what the database says, asked at each scrape. Any web process gives the same answer."""

import ipaddress
import secrets
from collections.abc import Iterator

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from escrow.selectors.gauges import Gauge, Histogram, gauges


def metrics(request: HttpRequest) -> HttpResponse:
    """For callers from METRICS_NETWORKS, or with METRICS_TOKEN as their bearer token; 403 for others."""
    if not (_has_token(request) or _is_near(request)):
        return HttpResponse(
            "Metrics are for METRICS_NETWORKS, and for who shows METRICS_TOKEN.\n",
            status=403,
            content_type="text/plain",
        )
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_FromDatabase())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _has_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "")
    wanted = f"Bearer {settings.METRICS_TOKEN}"
    return bool(settings.METRICS_TOKEN) and secrets.compare_digest(given.encode(), wanted.encode())


def _is_near(request: HttpRequest) -> bool:
    """By the address of the connection itself, and only of one that no proxy passed on: what a proxy says of others is not believed."""
    if request.headers.get("X-Forwarded-For") or request.headers.get("Forwarded"):
        return False
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network) for network in settings.METRICS_NETWORKS)


class _FromDatabase(Collector):
    def collect(self) -> Iterator[Metric]:
        for found in gauges():
            yield _gauge(found) if isinstance(found, Gauge) else _histogram(found)


def _gauge(found: Gauge) -> Metric:
    names = list(found.values[0][0]) if found.values else []
    family = GaugeMetricFamily(found.name, found.help, labels=names)
    for labels, value in found.values:
        family.add_metric(list(labels.values()), value)
    return family


def _histogram(found: Histogram) -> Metric:
    names = list(found.values[0][0]) if found.values else []
    family = HistogramMetricFamily(found.name, found.help, labels=names)
    for labels, within, count, total in found.values:
        bounds = [(str(bound), float(number)) for bound, number in zip(found.buckets, within, strict=True)]
        family.add_metric(list(labels.values()), [*bounds, ("+Inf", float(count))], total)
    return family
