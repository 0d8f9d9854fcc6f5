"""All addresses: pages, the API, allauth's pages, and the probes."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from config.views import ApiDocsView

urlpatterns = [
    path("accounts/", include("accounts.sign_in_urls")),
    path("", include("monitoring.urls")),
    path("", include("accounts.urls")),
    path("", include("integrations.urls")),
    path("api/v1/", include("accounts.api.urls")),
    path("api/v1/", include("integrations.api.urls")),
    path("api/v1/", include("monitoring.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/docs/", ApiDocsView.as_view(), name="api-docs"),
]

handler400 = "accounts.views.errors.bad_request"
handler403 = "accounts.views.errors.permission_denied"
handler404 = "accounts.views.errors.not_found"
handler500 = "accounts.views.errors.server_error"
