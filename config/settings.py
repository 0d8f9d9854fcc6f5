"""Django settings, from environment variables; embedded by default, scaled by three addresses."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import environ

from config.database import postgres_options
from config.own_servers import own_servers
from config.secrets import ensure_secrets

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

# What any process of ours writes is for its own user and group: databases, messages, files.
os.umask(0o027)
DATA_DIR = Path(env.str("SIGNALBOX_DATA", default=str(BASE_DIR / "var"))).resolve()
_secrets = ensure_secrets(DATA_DIR)

DEBUG = False
SECRET_KEY = _secrets["SIGNALBOX_SECRET_KEY"]
# Key ring for credentials and dead letters: base64 of 32 bytes, the current key first (integrations.encryption).
MASTER_KEY = _secrets["SIGNALBOX_MASTER_KEY"]
TOKEN_PEPPER = _secrets["SIGNALBOX_TOKEN_PEPPER"]

HOST = env.str("HOST", default="127.0.0.1")
PORT = env.int("PORT", default=8000)
_LOCAL_HOSTS = ("127.0.0.1", "0.0.0.0")  # noqa: S104 - compared, not bound
_public_host = "localhost" if HOST in _LOCAL_HOSTS else HOST
PUBLIC_BASE_URL = env.str("SIGNALBOX_PUBLIC_URL", default=f"http://{_public_host}:{PORT}")
ALLOWED_HOSTS = env.list("SIGNALBOX_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]", HOST])
CSRF_TRUSTED_ORIGINS = [PUBLIC_BASE_URL]
SECURE_COOKIES = PUBLIC_BASE_URL.startswith("https://")

INSTALLED_APPS = [
    "config",
    "monitoring",
    "integrations",
    "accounts",
    "channels",
    "django_htmx",
    "django_cotton.apps.SimpleAppConfig",
    "lucide",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "csp",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
]

MIDDLEWARE = [
    "config.middleware.TraceMiddleware",
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
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.RequestContextMiddleware",
    "monitoring.middleware.LiveCursorMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "django_cotton.cotton_loader.Loader",
                        "django.template.loaders.filesystem.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
            "builtins": [
                "django_cotton.templatetags.cotton",
                "accounts.templatetags.signalbox",
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.context.workspace",
                "monitoring.context.live",
            ],
        },
    }
]
COTTON_DIR = "components"

# --- where the state is ------------------------------------------------------------------------------------------
SQLITE_OPTIONS = {
    # Without IMMEDIATE a transaction that reads first and then writes fails with "database is locked",
    # whatever the timeout.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA cache_size=-8000;",
}
DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'signalbox.sqlite3'}")}
EMBEDDED = DATABASES["default"]["ENGINE"].endswith("sqlite3")
if EMBEDDED:
    DATABASES["default"]["OPTIONS"] = SQLITE_OPTIONS
else:
    DATABASES["default"]["OPTIONS"] = postgres_options(
        # Every transaction of ours is bounded: a process that is stopped inside one holds up nobody for longer.
        lock_seconds=env.float("SIGNALBOX_LOCK_TIMEOUT_SECONDS", default=5.0),
        statement_seconds=env.float("SIGNALBOX_STATEMENT_TIMEOUT_SECONDS", default=30.0),
        idle_seconds=env.float("SIGNALBOX_IDLE_TRANSACTION_SECONDS", default=5.0),
        # And so is every wait for a server that does not answer.
        unreachable_seconds=env.float("SIGNALBOX_DATABASE_UNREACHABLE_SECONDS", default=8.0),
    )
DATABASES["default"]["CONN_MAX_AGE"] = env.int("SIGNALBOX_CONN_MAX_AGE", default=0)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

BROKER_URL = env.str("BROKER_URL", default="signalbox-fs://")
CACHES = {"default": env.cache("CACHE_URL", default="locmemcache://")}
# The cache only counts throttled requests and keeps no truth: a process of its own has a count of its own.

# --- people ------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_PREVENT_ENUMERATION = True
EMAIL_CONFIG = env.email("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)

# --- the browser -------------------------------------------------------------------------------------------------
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 7 * 24 * 3600
SESSION_COOKIE_NAME = "__Host-session" if SECURE_COOKIES else "signalbox_session"
CSRF_COOKIE_NAME = "__Host-csrf" if SECURE_COOKIES else "signalbox_csrf"
CSRF_COOKIE_HTTPONLY = True
# A cookie that was signed for one name is none for another (CVE-2026-6873).
SIGNED_COOKIE_LEGACY_SALT_FALLBACK = False
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "font-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}
TRUSTED_PROXY_COUNT = env.int("SIGNALBOX_TRUSTED_PROXY_COUNT", default=0)
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

# --- static files ------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
_node_modules = BASE_DIR / "static" / "node_modules"
STATICFILES_DIRS = [
    BASE_DIR / "static" / "app",
    *[
        (prefix, folder)
        for prefix, folder in (
            ("vendor/uplot", _node_modules / "uplot" / "dist"),
            ("vendor/inter", _node_modules / "@fontsource-variable" / "inter"),
        )
        if folder.is_dir()
    ],
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

# --- the API -----------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.ApiTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.permissions.HasWorkspacePermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "accounts.api.pagination.CursorPagination",
    "PAGE_SIZE": 50,
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "accounts.api.problems.problem_handler",
    "NUM_PROXIES": TRUSTED_PROXY_COUNT,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Signalbox API",
    "DESCRIPTION": "Everything the page can do. Errors are RFC 9457 problem documents; lists are paged by cursor.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "accounts.api.schema.add_problems"],
    "ENUM_NAME_OVERRIDES": {
        "BatchState": "integrations.api.choices.BATCH_STATES",
        "CheckState": "integrations.models.connector.CheckState",
        "DeadLetterState": "integrations.api.choices.DEAD_LETTER_STATES",
        "DriftKind": "integrations.api.choices.DRIFT_KINDS",
        "DriftState": "integrations.api.choices.DRIFT_STATES",
        "GuaranteeName": "integrations.api.choices.GUARANTEES",
        "Outcome": "integrations.api.choices.OUTCOMES",
        "RunState": "integrations.api.choices.RUN_STATES",
        "ScheduleKind": "integrations.api.choices.SCHEDULE_KINDS",
        "SettingKind": "integrations.api.choices.SETTING_KINDS",
        "TokenState": ["active", "expired", "revoked"],
        "TrialVerdict": "integrations.api.choices.TRIAL_VERDICTS",
        "Verdict": "integrations.api.choices.VERDICTS",
        "WriteMode": "integrations.api.choices.WRITE_MODES",
    },
}

# --- time, words, logs -------------------------------------------------------------------------------------------
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
LANGUAGE_CODE = "en"
LOGGING_CONFIG = "config.logging.configure"
LOGGING = {"level": env.str("SIGNALBOX_LOG_LEVEL", default="INFO").upper()}

# --- what runs may do --------------------------------------------------------------------------------------------
# `manage.py up` shows the demo; processes that are started one by one have it only where the environment says so.
_IS_UP = sys.argv[1:2] == ["up"]
DEMO = env.bool("SIGNALBOX_DEMO", default=_IS_UP)
SANDBOX_PORT = env.int("SIGNALBOX_SANDBOX_PORT", default=PORT + 1)
SANDBOX_TOKEN = _secrets["SIGNALBOX_SANDBOX_TOKEN"]
_demo_addresses = (f"127.0.0.1:{SANDBOX_PORT}", f"127.0.0.1:{PORT}") if DEMO else ()
EGRESS_ALLOW = (*env.list("SIGNALBOX_EGRESS_ALLOW", default=[]), *_demo_addresses)
# The demo shows how its own API is read; nobody else's connectors reach what this instance itself runs on.
OWN_SERVERS = own_servers(
    database=DATABASES["default"],
    urls=(BROKER_URL, env.str("CACHE_URL", default="")),
    web=None if DEMO else (HOST, PORT),
    excused=env.list("SIGNALBOX_EGRESS_OWN", default=[]),
)
FILE_ROOT = Path(env.str("SIGNALBOX_FILE_ROOT", default=str(DATA_DIR / "files"))).resolve()
LEASE_SECONDS = env.float("SIGNALBOX_LEASE_SECONDS", default=10.0)
SLICE_SECONDS = env.float("SIGNALBOX_SLICE_SECONDS", default=30.0)
# Ends the process of a slice that does not end by itself; its lease runs out, and another worker goes on.
SLICE_LIMIT_SECONDS = env.float("SIGNALBOX_SLICE_LIMIT_SECONDS", default=3 * SLICE_SECONDS)
TICK_SECONDS = env.float("SIGNALBOX_TICK_SECONDS", default=1.0)
RECONCILE_SECONDS = env.float("SIGNALBOX_RECONCILE_SECONDS", default=1.0)
HEARTBEAT_SECONDS = env.float("SIGNALBOX_HEARTBEAT_SECONDS", default=2.0)
FRESHNESS_SECONDS = env.float("SIGNALBOX_FRESHNESS_SECONDS", default=10.0)
RETENTION_SECONDS = env.float("SIGNALBOX_RETENTION_SECONDS", default=3600.0)
# Where the heads of the audit log are written down, out of reach of the database's superuser, and how often.
AUDIT_ANCHOR = env.str("SIGNALBOX_AUDIT_ANCHOR", default=f"file:{DATA_DIR / 'audit-anchors.jsonl'}")
AUDIT_ANCHOR_SECONDS = env.float("SIGNALBOX_AUDIT_ANCHOR_SECONDS", default=60.0)
# How long a worker that is told to stop may go on with the slice that it runs.
SHUTDOWN_SECONDS = env.float("SIGNALBOX_SHUTDOWN_SECONDS", default=10.0 if _IS_UP else 30.0)
# A worker that was sent messages for so long, and took none though it was idle, ends and is started again; 0: never.
CANARY_SECONDS = env.float("SIGNALBOX_CANARY_SECONDS", default=60.0)
WORKER_CONCURRENCY = env.int("SIGNALBOX_WORKER_CONCURRENCY", default=2)

TESTING = "pytest" in sys.modules
