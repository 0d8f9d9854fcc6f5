"""Addresses of the pages of connectors."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
