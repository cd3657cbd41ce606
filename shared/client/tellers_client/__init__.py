"""The SDK for subscribers: live tallies, resumed after a gap, verified."""
