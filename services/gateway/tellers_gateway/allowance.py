"""How much a viewer may say. Pure: the time is an argument."""


class Allowance:
    """A token bucket: `burst` at once, then `rate` a second."""

    __slots__ = ("_burst", "_left", "_rate", "_since")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._since = 0.0

    def take(self, amount: float, now: float) -> bool:
        """Whether that much is allowed now; what is not allowed is not taken."""
        self._left = min(self._burst, self._left + (now - self._since) * self._rate)
        self._since = now
        if amount > self._left:
            return False
        self._left -= amount
        return True
