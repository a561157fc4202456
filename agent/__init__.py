"""The driving agents: what joins sensors, model, planner and the leaderboard."""
