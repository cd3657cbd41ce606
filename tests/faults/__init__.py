"""The system under every fault it promises to survive, one module a group.

`make faults` runs them at full length; `make test` runs a short form of the same code.
Each fault prints one line of figures and has a negative control: the same run with the
protection taken away, which must fail.
"""
