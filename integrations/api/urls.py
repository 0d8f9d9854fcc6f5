"""The API of integrations."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
