"""The benchmark `mini`: its route file, and how that was made."""
