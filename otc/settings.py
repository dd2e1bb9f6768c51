"""Settings of every process. Each knob is an environment variable; `manage.py up` sets them for the embedded stack.

Durations are seconds, sizes bytes, unless the name says otherwise.
"""

from pathlib import Path

from celery.schedules import crontab, schedule
from csp.constants import NONCE, SELF

from otc import env

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.text("SECRET_KEY")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
# Behind TLS (always, outside the embedded stack) cookies travel only over TLS.
SECURE_COOKIES = env.flag("SECURE_COOKIES", default=True)

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "pgtrigger",
    "pghistory",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_cotton",
    "django_htmx",
    "otc.core",
    "otc.accounts",
    "points",
    "escrow",
    "otc.api",
    "otc.web",
    "otc.stack",
]

MIDDLEWARE = [
    "otc.core.requests.RequestIdMiddleware",
    "otc.core.requests.ProblemMiddleware",
    "otc.api.ratelimit.RateLimitHeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "pghistory.middleware.HistoryMiddleware",
]

ROOT_URLCONF = "otc.urls"
WSGI_APPLICATION = "otc.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "otc.web.context.venue",
            ],
        },
    },
]
COTTON_DIR = "components"

# ---------------------------------------------------------------- database

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        **env.database("DATABASE_URL"),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            # No statement of ours runs long; a lock that waits long is a bug to see, not to sit out.
            "options": "-c statement_timeout=30000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=60000",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ---------------------------------------------------------------- cache, sessions, accounts

REDIS_URL = env.text("REDIS_URL")
REDIS_SECONDS = 5  # for one answer: a Redis that went away in the middle of one must not hold us
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": REDIS_SECONDS, "SOCKET_TIMEOUT": REDIS_SECONDS},
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = 7 * 24 * 3600
SESSION_COOKIE_SECURE = SECURE_COOKIES
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_SECURE = SECURE_COOKIES
LOGIN_REDIRECT_URL = "admin:index"  # only staff log in with a password
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# Sign-In with Ethereum: how long a nonce waits for its signature, and how long an API token lives.
SIWE_NONCE_SECONDS = 300
ACCESS_TOKEN_SECONDS = 24 * 3600
# How long an Idempotency-Key is remembered.
IDEMPOTENCY_SECONDS = 48 * 3600

# ---------------------------------------------------------------- security headers

# How many proxies of ours stand in front: so many entries of X-Forwarded-For are believed, and X-Forwarded-Proto.
PROXY_COUNT = env.number("PROXY_COUNT", 0)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PROXY_COUNT else None
SECURE_SSL_REDIRECT = env.flag("SECURE_SSL_REDIRECT", default=False)
SECURE_HSTS_SECONDS = env.number("SECURE_HSTS_SECONDS", 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = env.flag("SECURE_HSTS_WHOLE_DOMAIN", default=False)
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": ["/admin/", "/api/v1/docs"],
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "frame-ancestors": ["'none'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": [SELF],
    },
}

# ---------------------------------------------------------------- words, time, files

LANGUAGE_CODE = "en"
USE_I18N = False
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(BASE_DIR / "staticfiles")))
# static/src holds sources for the asset build; only what is served as it is stands in static/public and static/build.
STATICFILES_DIRS = [BASE_DIR / "static" / "public", BASE_DIR / "static" / "build"]
STORAGES = {
    "default": {"BACKEND": "otc.core.storage.WholeFileStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = DEBUG
# Uploaded allocation lists wait here until they are imported.
MEDIA_ROOT = Path(env.text("MEDIA_ROOT", str(BASE_DIR / "var" / "media")))
FILE_UPLOAD_PERMISSIONS = 0o600
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

# ---------------------------------------------------------------- metrics

# Who may read /metrics: connections from these networks that no proxy passed on, and whoever shows the token (empty: nobody by token).
METRICS_NETWORKS = env.words("METRICS_NETWORKS", "127.0.0.0/8,::1/128")
METRICS_TOKEN = env.text("METRICS_TOKEN", "")

# ---------------------------------------------------------------- REST

# Calls per seconds for one wallet, or for one address without a sign-in. `RATE_LIMITS=` (empty) turns them off.
RATE_LIMITS = env.rates("RATE_LIMITS", "read=12000/60,write=6000/60,build=6000/60")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "otc.accounts.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
    "DEFAULT_THROTTLE_CLASSES": ["otc.api.ratelimit.RateLimit"],
    "NUM_PROXIES": PROXY_COUNT,
    "DEFAULT_RENDERER_CLASSES": ["otc.api.rendering.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["otc.api.rendering.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "otc.core.pagination.CursorPagination",
    "EXCEPTION_HANDLER": "otc.api.problems.exception_handler",
    "COERCE_DECIMAL_TO_STRING": True,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Forelock API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "AllocationListState": ["uploaded", "importing", "ready", "refused"],
        "OfferState": "points.models.OfferState.values",
        "Depth": "escrow.chain.models.Depth.choices",
        "Side": ["buy", "sell"],
        "Escrow": "otc.core.models.EscrowKind.values",
        "MarketPhase": ["uncreated", "open", "proposed", "final", "cancel_proposed", "cancelled", "void"],
        "DealPhase": ["none", "attested", "disputed_by_buyer", "disputed_by_seller"],
    },
    "PREPROCESSING_HOOKS": ["otc.api.schema.first_of_each"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "otc.api.schema.add_problem_responses",
    ],
}

# ---------------------------------------------------------------- tasks

CELERY_BROKER_URL = env.broker("REDIS_URL")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 300
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Remote control listens on a connection of its own, in the loop that takes tasks. When Redis came back, the client library would
# connect again there and wait for a message, and the worker take no task any more.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Longer than any task may run: a task is never handed out twice while it still runs.
    "visibility_timeout": 900,
    # Without it the worker's loop stands in the middle of an answer that never ends, with all its timers.
    "socket_timeout": REDIS_SECONDS,
}
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {"escrow.chain.*": {"queue": "chain"}, "escrow.keeper.*": {"queue": "keeper"}}
# A tick that the worker did not reach in time is worthless: the next one does the same work.
CELERY_BEAT_SCHEDULE = {
    "watch-chains": {
        "task": "escrow.chain.watch_all",
        "schedule": schedule(1.0),
        "options": {"expires": 5},
    },
    "drive-keepers": {
        "task": "escrow.keeper.drive_all",
        "schedule": schedule(1.0),
        "options": {"expires": 5},
    },
    "check-all": {
        "task": "escrow.checks.nightly",
        "schedule": crontab(hour="3", minute="17"),
        "options": {"expires": 3 * 3600},
    },
    "forget-expired": {
        "task": "otc.accounts.forget_expired",
        "schedule": schedule(3600.0),
        "options": {"expires": 600},
    },
    "import-allocation-lists": {
        "task": "points.import_pending_lists",
        "schedule": schedule(5.0),
        "options": {"expires": 5},
    },
}
CELERY_BEAT_SCHEDULE_FILENAME = env.text("CELERY_BEAT_FILE", str(BASE_DIR / "var" / "beat"))

# ---------------------------------------------------------------- keeper's key

# Development signer of the keeper: a raw private key. Production sets KEEPER_KEYSTORE and KEEPER_PASSWORD_FILE instead.
KEEPER_PRIVATE_KEY = env.text("KEEPER_PRIVATE_KEY", "")
KEEPER_KEYSTORE = env.text("KEEPER_KEYSTORE", "")
KEEPER_PASSWORD_FILE = env.text("KEEPER_PASSWORD_FILE", "")
# A key that never leaves its service: dotted path of a callable that returns an `escrow.keeper.kms.KeyService`.
KEEPER_KEY_SERVICE = env.text("KEEPER_KEY_SERVICE", "")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": env.text("LOG_LEVEL", "INFO")},
    # Ticks come every second: that each was received and done is no news.
    "loggers": {name: {"level": "WARNING"} for name in ("celery.worker.strategy", "celery.app.trace")},
}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

UNFOLD = {"SITE_TITLE": "Forelock operations", "SITE_HEADER": "Forelock", "SITE_SYMBOL": "lock"}
