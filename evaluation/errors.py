"""Errors that whoever started the program can mend."""

from __future__ import annotations


class UserError(Exception):
    """Shown without a trace: the message says what is wrong and what to do."""


class MachineError(UserError, RuntimeError):
    """The machine lacks something that a drive needs, such as graphics."""
