"""Tallies out to the public: HTTP, SSE, WebSocket and the pages."""
