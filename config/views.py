"""The browsable API documentation: Swagger UI from the sidecar package, signed in or with a token."""

from __future__ import annotations

from csp.decorators import csp_update
from django.utils.decorators import method_decorator
from drf_spectacular.views import SpectacularSwaggerSplitView


@method_decorator(csp_update({"style-src": ["'unsafe-inline'"]}), name="dispatch")
class ApiDocsView(SpectacularSwaggerSplitView):
    """Swagger UI writes inline styles; this one page allows them, scripts stay as strict as everywhere."""

    url_name = "api-schema"
