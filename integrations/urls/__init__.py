"""The addresses of the pages of integrations, by subject."""

from integrations.urls import connectors, integrations, runs

urlpatterns = [*runs.urlpatterns, *connectors.urlpatterns, *integrations.urlpatterns]
