"""Projections out to the world: reads, WebSocket and SSE feeds, pages."""
