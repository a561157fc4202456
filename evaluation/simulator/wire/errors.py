"""What a call is refused with."""

from __future__ import annotations


class CallError(Exception):
    """A call that cannot be done; the text reaches the client as a RuntimeError."""


class NotSimulatedError(CallError):
    """A call for something that this simulator does not have, whatever its arguments."""
