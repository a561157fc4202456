"""Figures beside the leaderboard's own."""
