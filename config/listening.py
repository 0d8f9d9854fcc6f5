"""Checks that an address can be listened on, before anything else is started."""

import socket

from django.core.management.base import CommandError


def ensure_free(host: str, port: int, *, setting: str = "PORT") -> None:
    """Raise CommandError, saying what to do, where the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {host} port {port}: {error.strerror}. "
                f"Stop the program that uses it, or choose another port with {setting}=..."
            ) from error
