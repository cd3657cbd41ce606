"""Commands in, events out: the process that records votes."""
