"""One file for every topology: all variation comes from the environment (see `.env.example`)."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from orchestra_portal.env import ROOT, env, field_keys, home, secret
from orchestra_portal.logs import logging_config

ORCHESTRA_HOME = home()
DEBUG = env.bool("PORTAL_DEBUG", default=False)
SECRET_KEY = secret("PORTAL_SECRET_KEY", ORCHESTRA_HOME / "secrets" / "secret_key")
FIELD_KEYS = field_keys(secret("PORTAL_FIELD_KEYS", ORCHESTRA_HOME / "secrets" / "field_keys"))

PORTAL_NAME = env.str("PORTAL_NAME", default="Orchestra Portal")
PORTAL_VERSION = "0.1.0"
PORTAL_PORT = env.int("PORTAL_PORT", default=8100)
PORTAL_URL = env.str("PORTAL_URL", default=f"http://127.0.0.1:{PORTAL_PORT}")
# A production portal refuses SQLite and plain HTTP.
PORTAL_PRODUCTION = env.bool("PORTAL_PRODUCTION", default=False)
ALLOWED_HOSTS = env.list("PORTAL_ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("PORTAL_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "daphne",
    "orchestra_portal.apps.PortalAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "channels",
    "django_celery_beat",
    "apps.core",
    "apps.audit",
    "apps.live",
    "apps.accounts",
    "apps.environments",
    "apps.monitoring",
    "apps.deployments",
    "apps.mcp",
    "apps.gpu",
    "apps.dashboard",
]
MIDDLEWARE = [
    "apps.core.middleware.RequestIdMiddleware",
    "orchestra_portal.metrics.MetricsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.accounts.middleware.ActorMiddleware",
    "apps.core.remembering.RememberMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "apps.core.middleware.ShownCharactersMiddleware",
]
ROOT_URLCONF = "orchestra_portal.urls"
WSGI_APPLICATION = "orchestra_portal.asgi.django_wsgi"
ASGI_APPLICATION = "orchestra_portal.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.core.context.portal",
            ],
        },
    }
]

DATABASE_URL = env.str("DATABASE_URL", default=f"sqlite:///{ORCHESTRA_HOME / 'portal.sqlite3'}")
DATABASES = {"default": env.db_url_config(DATABASE_URL)}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    if PORTAL_PRODUCTION:
        raise ImproperlyConfigured(
            "A production portal does not run on SQLite. Set DATABASE_URL to a PostgreSQL URL."
        )
    DATABASES["default"]["OPTIONS"] = {
        # BEGIN IMMEDIATE: two writers wait for each other instead of failing half-way.
        "transaction_mode": "IMMEDIATE",
        "timeout": env.int("PORTAL_SQLITE_TIMEOUT", default=30),
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
FORMAT_MODULE_PATH = "orchestra_portal.formats"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = ORCHESTRA_HOME / "static"
STATICFILES_DIRS = [ROOT / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

SECURE_TLS = env.bool("PORTAL_TLS", default=PORTAL_PRODUCTION)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_TLS
SESSION_COOKIE_NAME = "portal_session"
CSRF_COOKIE_NAME = "portal_csrf"
SECURE_SSL_REDIRECT = SECURE_TLS
SECURE_HSTS_SECONDS = 31_536_000 if SECURE_TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE_TLS
SECURE_REFERRER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE_TLS else None
# The embedded topology serves plain HTTP on loopback; TLS belongs to the proxy of a scaled one.
SILENCED_SYSTEM_CHECKS = (
    [] if SECURE_TLS else ["security.W004", "security.W008", "security.W012", "security.W016"]
)
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "connect-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "apps.core.listing.CursorPagination",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["apps.core.throttles.ActorThrottle"],
    "EXCEPTION_HANDLER": "apps.core.api.problem_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
# Requests of one person or token, and of one address without a login, to one web process.
API_RATE = env.str("PORTAL_API_RATE", default="1200/min")
API_RATE_ANONYMOUS = env.str("PORTAL_API_RATE_ANONYMOUS", default="120/min")
# Who may read /metrics without a token.
METRICS_NETWORKS = env.list("PORTAL_METRICS_NETWORKS", default=["127.0.0.1/32", "::1/128"])
IDEMPOTENCY_STORE = "apps.accounts.idempotency.Answers"
SPECTACULAR_SETTINGS = {
    "TITLE": "Orchestra Portal",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    # Fields of one name with different words behind them.
    "ENUM_NAME_OVERRIDES": {
        "DeploymentKind": "apps.deployments.choices.Kind",
        "DeploymentStatus": "apps.deployments.choices.DeploymentStatus",
        "RunStatus": "apps.deployments.choices.RunStatus",
        "CheckKind": "apps.monitoring.choices.CheckKind",
        "IncidentStatus": "apps.monitoring.choices.IncidentStatus",
        "IncidentSource": "apps.monitoring.choices.IncidentSource",
        "DeliveryStatus": "apps.monitoring.choices.DeliveryStatus",
        "RouteKind": "apps.monitoring.choices.RouteKind",
        "Severity": "apps.monitoring.choices.Severity",
        "Finding": "apps.environments.choices.Finding",
        "SettingKind": "apps.environments.choices.SettingKind",
        "Explained": "apps.environments.choices.Explained",
        "EvidenceKind": "apps.environments.choices.EvidenceKind",
    },
}

BROKER_FOLDER = ORCHESTRA_HOME / "broker"
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="filesystem://")
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {
        "data_folder_in": str(BROKER_FOLDER / "messages"),
        "data_folder_out": str(BROKER_FOLDER / "messages"),
        "control_folder": str(BROKER_FOLDER / "control"),
        "polling_interval": 0.1,
    }
    if CELERY_BROKER_URL.startswith("filesystem:")
    else {}
)
CELERY_TASK_IGNORE_RESULT = True
# Messages are hints: a lost one is made good by the sweeper, a repeated one finds nothing to claim.
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
# Nobody asks a worker over the broker: supervisord, the ticks and the metrics tell how it is.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

# Runs (design, section 5). Seconds unless the name says otherwise.
PULUMI_ROOT = env.str("PULUMI_ROOT", default="")
PULUMI_BACKEND_URL = env.str("PULUMI_BACKEND_URL", default=f"file://{ORCHESTRA_HOME}/pulumi-state")
PULUMI_PASSPHRASE_FILE = env.str(
    "PULUMI_PASSPHRASE_FILE", default=str(ORCHESTRA_HOME / "secrets" / "pulumi_passphrase")
)
ALLOW_EMBEDDED_ENGINE_IN_PRODUCTION = env.bool("PORTAL_ALLOW_EMBEDDED_ENGINE", default=False)
# The run process loads what it needs and no more.
RUN_SETTINGS_MODULE = "orchestra_portal.run_settings"
RUN_LEASE_SECONDS = env.int("PORTAL_RUN_LEASE", default=30)
RUN_RENEW_SECONDS = env.int("PORTAL_RUN_RENEW", default=5)
RUN_TIME_LIMIT = env.int("PORTAL_RUN_TIME_LIMIT", default=3600)
# What only reads is given less; an operation without a limit of its own has the one above.
RUN_TIME_LIMITS = {
    "preview": env.int("PORTAL_PREVIEW_TIME_LIMIT", default=900),
    "drift": env.int("PORTAL_DRIFT_TIME_LIMIT", default=900),
    "refresh": env.int("PORTAL_REFRESH_TIME_LIMIT", default=1800),
}
# So many copies of the state are kept for each environment, the oldest go first.
STATE_COPIES_KEPT = env.int("PORTAL_STATE_COPIES", default=50)
# So many applied and so many verified revisions of each environment keep their program on disk.
PROGRAMS_KEPT = env.int("PORTAL_PROGRAMS_KEPT", default=50)
# How long after an update the checks have to pass.
VERIFICATION_TIME_LIMIT = env.int("PORTAL_VERIFICATION_LIMIT", default=180)
RUN_CANCEL_GRACE = env.int("PORTAL_RUN_GRACE", default=20)

SUPERVISOR_SOCKET = env.str(
    "SUPERVISOR_SOCKET", default=str(ORCHESTRA_HOME / "run" / "supervisor.sock")
)
# Whom checks of kind container ask (Docker's or Podman's API).
CONTAINER_SOCKET = env.str("CONTAINER_SOCKET", default="/run/docker.sock")
# What an environment's checks may reach beside public addresses while it names no range of its
# own: this machine and private networks, where the portal's own servers are.
PROBE_RANGES = env.list(
    "PORTAL_PROBE_RANGES",
    default=[
        "127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7",
    ],
)  # fmt: skip
# Certificates that sign the git servers of programs, in place of this machine's (PEM).
GIT_CA_FILE = env.str("PORTAL_GIT_CA_FILE", default="")
# The portal's own parts, for checks of kind portal: a map from names to functions.
PORTAL_PARTS = "orchestra_portal.health.PARTS"
SUPERVISOR_INCLUDE = env.str(
    "SUPERVISOR_INCLUDE", default=str(ORCHESTRA_HOME / "supervisor" / "conf.d")
)
LIVE_SOCKET_FOLDER = ORCHESTRA_HOME / "run" / "live"

# Where alert routes of kind e-mail hand over their mail.
EMAIL_URL = env.str("EMAIL_URL", default="smtp://127.0.0.1:25")
globals().update(env.email_url_config(EMAIL_URL))
PORTAL_MAIL_FROM = env.str("PORTAL_MAIL_FROM", default="orchestra-portal@localhost")

LOGGING = logging_config(env.str("PORTAL_LOG_LEVEL", default="INFO"))
