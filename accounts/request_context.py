"""Who acts, from where, under which request: one context variable for pages, API, commands and tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from accounts.models import ApiToken, User


@dataclass(frozen=True)
class Actor:
    """A person, a person's token, or a part of the system by its name."""

    user: User | None = None
    token: ApiToken | None = None
    system: str = ""

    def __post_init__(self) -> None:
        if (self.user is None) == (not self.system):
            raise ValueError("an actor is either a person (perhaps through a token) or a named part of the system")

    @property
    def label(self) -> str:
        """How the audit log names the actor, also after a rename."""
        if self.user is None:
            return self.system
        return self.user.email if self.token is None else f"{self.user.email} (token {self.token.key_id})"


class NoActorError(RuntimeError):
    """A change was tried where nobody acts: wrap it in `acting_as(...)`."""


@dataclass(frozen=True)
class RequestContext:
    """`find_actor` is asked late, because a view signs people in and the API reads its token after the middleware."""

    find_actor: Callable[[], Actor]
    ip: str | None = None
    request_id: str = ""


_current: ContextVar[RequestContext | None] = ContextVar("signalbox_request_context", default=None)


def current() -> RequestContext:
    """The context of the work at hand; NoActorError where none was entered."""
    context = _current.get()
    if context is None:
        raise NoActorError("no actor: this change runs outside a request; wrap it in acting_as(...)")
    return context


@contextmanager
def entered(context: RequestContext) -> Iterator[None]:
    """Work under a context, and return to the one before."""
    mark = _current.set(context)
    try:
        yield
    finally:
        _current.reset(mark)


@contextmanager
def acting_as(actor: Actor | User) -> Iterator[None]:
    """For commands, tasks and tests: what happens inside is done by `actor`; the rest of the context stays."""
    chosen = Actor(user=actor) if isinstance(actor, User) else actor
    outer = _current.get()
    with entered(RequestContext(lambda: chosen, outer.ip if outer else None, outer.request_id if outer else "")):
        yield
