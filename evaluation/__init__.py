"""Runs driving agents in closed loop: simulator, routes, judgement and reports."""
