"""The live status page, for members or, where the workspace says so, for anybody."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.permissions import public_view
from monitoring.services.status import status_of
from monitoring.views.stream import readable_status


@public_view("the workspace may open its status page to anybody; 404 where it did not")
def status_page(request: HttpRequest, workspace: str) -> HttpResponse:
    """The page, or for htmx its live part alone."""
    found = readable_status(request, workspace)
    template = "monitoring/_status.html" if request.headers.get("HX-Request") else "monitoring/status.html"
    return render(request, template, {"status_workspace": found, "status": status_of(found)})
