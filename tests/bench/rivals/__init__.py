"""Other fan-out servers, beside which ours is measured, and the load for all."""
