"""What a command says when it cannot do what it was asked."""


class Failure(Exception):
    """One clear sentence for the person at the terminal; the command then exits 1."""
