"""Sockets: event loop, requests, streams."""
