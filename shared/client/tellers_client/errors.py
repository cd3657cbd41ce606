"""What ends a subscription or a request for good: trying again would not help."""


class SubscriptionRefused(Exception):
    """The gateway will not serve this subscription.

    Args:
        code: WebSocket close code, or HTTP status of the refused handshake.
    """

    def __init__(self, code: int, reason: str) -> None:
        meaning = reason or _MEANINGS.get(code, "no reason was given")
        super().__init__(f"the gateway refuses the subscription ({code}): {meaning}")
        self.code = code
        self.reason = reason


class NotUnderstood(Exception):
    """A frame that this client cannot read; a newer client may."""


class GatewayRefused(Exception):
    """An HTTP answer that is not what was asked for; `status` is HTTP's."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"the gateway answers {status}: {detail}")
        self.status = status
        self.detail = detail


_MEANINGS = {
    1008: "this origin is not allowed",
    4400: "bad request",
    4401: "the token is missing or not valid",
    4403: "not allowed",
    4404: "no such roll call or chamber",
    4409: "replaced by a newer session",
    4410: "this version of the protocol is retired",
}
