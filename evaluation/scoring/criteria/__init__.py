"""The rules a route is judged by, one file each."""
