"""Road users of scenarios: what they do, and when the ego makes them do it."""
