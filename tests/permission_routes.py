"""Walks the URL resolver: every address with what it declares, for the permission matrix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.urls.resolvers import RoutePattern

from accounts.declarations import Declaration, Reach
from accounts.permissions import PUBLIC, SIGNED_IN
from tests.examples import MAKERS, Shelf

PAGE_METHODS = ("GET", "POST")


@dataclass(frozen=True)
class Route:
    """One address."""

    path: str
    name: str
    arguments: tuple[str, ...]
    object_arguments: tuple[str, ...]
    declaration: Declaration | None
    api_actions: dict[str, str] | None
    api_permissions: dict[str, str] | None

    def __str__(self) -> str:
        return self.path

    @property
    def is_api(self) -> bool:
        return self.path.startswith("api/")

    @property
    def methods(self) -> tuple[str, ...]:
        """The API's own methods; pages are tried with both."""
        return PAGE_METHODS if self.api_actions is None else tuple(sorted(m.upper() for m in self.api_actions))

    @property
    def has_examples(self) -> bool:
        """Whether the matrix can visit it; where not, the test of examples says what to add."""
        return set(self.arguments) <= MAKERS.keys()

    def needs(self, method: str) -> str | None:
        """The declared permission, `SIGNED_IN`, `PUBLIC`; None where nothing is declared."""
        if self.api_actions is not None:
            return (self.api_permissions or {}).get(self.api_actions[method.lower()])
        if self.declaration is None:
            return None
        if self.declaration.reach in (Reach.WORKSPACE, Reach.INSTANCE):
            return self.declaration.permission_for(method)
        return SIGNED_IN if self.declaration.reach is Reach.SIGNED_IN else PUBLIC

    def url(self, own: Shelf, objects: Shelf | None) -> str:
        """The address in `own`'s workspace, with the objects of `objects`' workspace; None: of no workspace."""
        values = {name: own.value(name) for name in self.arguments}
        for name in self.object_arguments:
            values[name] = _missing(name, own) if objects is None else objects.value(name)
        return reverse(self.name, kwargs=values)


def _missing(name: str, own: Shelf) -> object:
    return 999_999 if isinstance(own.value(name), int) else uuid4()


def routes() -> list[Route]:
    """Every address of the product, in order."""
    return sorted(_walk(get_resolver().url_patterns, "", ()), key=str)


def _walk(patterns: list[URLPattern | URLResolver], prefix: str, arguments: tuple[str, ...]) -> Iterator[Route]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        names = (*arguments, *_arguments(pattern))
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path, names)
        else:
            yield _route(pattern, path, names)


def _arguments(pattern: URLPattern | URLResolver) -> tuple[str, ...]:
    if isinstance(pattern.pattern, RoutePattern):
        return tuple(pattern.pattern.converters)
    return tuple(pattern.pattern.regex.groupindex)


def _route(pattern: URLPattern, path: str, names: tuple[str, ...]) -> Route:
    view = pattern.callback
    cls = getattr(view, "cls", None)
    actions: dict[str, str] | None = None
    if cls is not None and hasattr(cls, "permissions"):
        verbs = ("get", "post", "put", "patch", "delete")
        actions = getattr(view, "actions", None) or {verb: verb for verb in verbs if hasattr(cls, verb)}
        # A list's HEAD is its GET.
        actions = {verb: action for verb, action in actions.items() if verb != "head"}
    return Route(
        path=path,
        name=pattern.name or "",
        arguments=names,
        object_arguments=tuple(name for name in names if name != "workspace"),
        declaration=getattr(view, "declaration", None) or getattr(cls, "declaration", None),
        api_actions=actions,
        api_permissions=getattr(cls, "permissions", None),
    )
