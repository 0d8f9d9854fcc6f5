"""Addresses of the pages of integrations."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
