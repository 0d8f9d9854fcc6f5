"""The API's view sets; one module a subject."""
