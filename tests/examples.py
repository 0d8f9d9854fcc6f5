"""An example object for every URL argument, so that the permission matrix can visit every address.

To add one, write a function below: it makes the object in `shelf.workspace` and returns the value that stands in the
URL. Objects that others need are shared: `shelf.value("integration_id")` returns the same value at each call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import ApiToken, Membership, User, Workspace
from accounts.request_context import Actor, acting_as
from integrations import encryption
from integrations.domain.lifecycle import Trigger
from integrations.models import Budget, Connector, DeadLetter, Deployment, Integration, SchemaChange, UncertainBatch
from integrations.services import breakers, chains, integrations, runs
from integrations.services.approval_asking import ask
from integrations.services.connectors import ConnectorInput, save_connector
from integrations.services.credentials import create_credential
from integrations.services.policies import save_policy
from integrations.services.run_progress import letter_binding

Value = Any  # what stands in a URL, and serves as a key: UUID, int or str
Maker = Callable[["Shelf"], Value]
MAKERS: dict[str, Maker] = {}

# Addresses of packages that declare nothing: by URL name, and why they need no permission of a workspace.
THIRD_PARTY: dict[str, str] = {
    "account_login": "the sign-in page",
    "account_logout": "ends one's own session",
    "account_inactive": "says that an account is closed",
    "account_signup": "says that nobody signs themselves up",
    "account_reauthenticate": "asks for one's own password again",
    "account_change_password": "one's own password",
    "account_set_password": "one's own password",
    "account_reset_password": "asks for a mail with a link",
    "account_reset_password_done": "says that a mail was sent",
    "account_reset_password_from_key": "the link in that mail, which carries its own proof",
    "account_reset_password_from_key_done": "says that the password was changed",
    "api-schema": "signed in; names no object",
    "api-docs": "signed in; names no object",
}


class Shelf:
    """The example objects of one workspace, each made once."""

    def __init__(self, workspace: Workspace, owner: User) -> None:
        self.workspace, self.owner = workspace, owner
        self._values: dict[str, Value] = {}

    def value(self, argument: str) -> Value:
        """What stands in the URL for `argument`."""
        if argument not in self._values:
            self._values[argument] = MAKERS[argument](self)
        return self._values[argument]

    @contextmanager
    def acting(self) -> Iterator[None]:
        """For makers that call services."""
        with acting_as(Actor(user=self.owner)):
            yield


def example(argument: str) -> Callable[[Maker], Maker]:
    """Register the maker of one URL argument."""

    def register(maker: Maker) -> Maker:
        if argument in MAKERS:
            raise ValueError(f"{argument} has an example already")
        MAKERS[argument] = maker
        return maker

    return register


@example("workspace")
def _workspace(shelf: Shelf) -> Value:
    return shelf.workspace.slug


@example("member_id")
def _member(shelf: Shelf) -> Value:
    colleague = User.objects.create_user(f"colleague-{uuid4()}@example.org")
    return Membership.objects.create(workspace=shelf.workspace, user=colleague, role="viewer").pk


@example("token_id")
def _token(shelf: Shelf) -> Value:
    token = ApiToken.objects.create(
        workspace=shelf.workspace,
        creator=shelf.owner,
        name="example",
        key_id=uuid4().hex[:8],
        secret_hash="0" * 64,
        scopes=["run.read"],
        expires_at=timezone.now() + timedelta(days=1),
    )
    return token.pk


@example("entry_id")
def _audit_entry(shelf: Shelf) -> Value:
    with shelf.acting(), transaction.atomic():
        return audit.record(workspace=shelf.workspace, action="example.made", object=shelf.workspace).pk


@example("connector_id")
def _connector(shelf: Shelf) -> Value:
    with shelf.acting():
        given = ConnectorInput(name="files", plugin="files", settings={"format": "csv"})
        return save_connector(workspace=shelf.workspace, connector=None, given=given).pk


@example("breaker_id")
def _breaker(shelf: Shelf) -> Value:
    with shelf.acting():
        settings = {"base_url": "https://shop.example.org", "streams": [{"name": "orders", "path": "orders"}]}
        given = ConnectorInput(name="shop's orders", plugin="rest_api", settings=settings)
        return breakers.trip(connector=save_connector(workspace=shelf.workspace, connector=None, given=given)).pk


@example("budget_id")
def _budget(shelf: Shelf) -> Value:
    return Budget.objects.create(workspace=shelf.workspace, host="shop.example.org:443").pk


@example("credential_id")
def _credential(shelf: Shelf) -> Value:
    with shelf.acting():
        return create_credential(
            workspace=shelf.workspace, name="shop", kind="bearer", values={"token": "example"}, user=shelf.owner
        ).pk


@example("approval_id")
def _approval(shelf: Shelf) -> Value:
    made = Integration.objects.get(pk=shelf.value("integration_id"))
    with shelf.acting():
        # Written by nobody, as by a drift, so that each member may decide.
        flow = integrations.flow_of(made.versions.get(number=2))
        version = integrations.add_version(integration=made, flow=flow, user=None)
        return ask(deployment=made.deployments.get(), version=version, user=None).pk


@example("policy_id")
def _policy(shelf: Shelf) -> Value:
    with shelf.acting():
        rules = {"retry.attempts": 3}
        return save_policy(workspace=shelf.workspace, policy=None, name="patient", description="", rules=rules).pk


@example("integration_id")
def _integration(shelf: Shelf) -> Value:
    with shelf.acting():
        made = integrations.create_integration(
            workspace=shelf.workspace, name="orders", description="", flow=_flow(shelf), user=shelf.owner
        )
        integrations.add_version(integration=made, flow=_flow(shelf), user=shelf.owner)
    return made.pk


@example("number")
def _version_number(shelf: Shelf) -> Value:
    return 1


@example("other")
def _other_version_number(shelf: Shelf) -> Value:
    return 2


@example("run_id")
def _run(shelf: Shelf) -> Value:
    deployment = Deployment.objects.get(integration=shelf.value("integration_id"))
    with shelf.acting():
        run = runs.start_run(deployment=deployment, trigger=Trigger.MANUAL, user=shelf.owner)
        return runs.cancel_run(run=run).pk


@example("letter_id")
def _dead_letter(shelf: Shelf) -> Value:
    letter = DeadLetter(
        workspace=shelf.workspace,
        integration_id=shelf.value("integration_id"),
        run_id=shelf.value("run_id"),
        batch_number=1,
        code="conversion_failed",
        reason="amount: cannot be made into integer from x.",
    )
    letter.payload = encryption.encrypt(b'{"amount": "x"}', bound_to=letter_binding(letter))
    letter.save()
    return letter.pk


@example("chain_id")
def _chain(shelf: Shelf) -> Value:
    deployment = Deployment.objects.get(integration=shelf.value("integration_id"))
    with shelf.acting():
        made = integrations.create_integration(
            workspace=shelf.workspace, name="orders-before", description="", flow=_flow(shelf), user=shelf.owner
        )
        chain = chains.add_chain(
            deployment=deployment, upstream=made.deployments.get(), after_warnings=True, user=shelf.owner
        )
    return chain.pk


@example("change_id")
def _schema_change(shelf: Shelf) -> Value:
    change = SchemaChange.objects.create(
        workspace=shelf.workspace,
        deployment=Deployment.objects.get(integration=shelf.value("integration_id")),
        run_id=shelf.value("run_id"),
        kind="added",
        column="city",
        after="text",
        seen_at=timezone.now(),
    )
    return change.pk


@example("uncertain_id")
def _uncertain_batch(shelf: Shelf) -> Value:
    batch = UncertainBatch.objects.create(
        workspace=shelf.workspace,
        integration_id=shelf.value("integration_id"),
        run_id=shelf.value("run_id"),
        number=1,
        records=3,
        reason="It was sent again.",
    )
    return batch.pk


def _flow(shelf: Shelf) -> integrations.Flow:
    connector = Connector.objects.get(pk=shelf.value("connector_id"))
    mapping = {"fields": [{"target": "id", "expression": "id", "type": "text", "required": True}], "filter": ""}
    return integrations.Flow(connector, "orders.csv", connector, "copies", mapping, write_mode="append")
