"""The rules of a roll call, pure: no clock, no socket, no setting.

`decide(state, command) -> events` and `evolve(state, event) -> state` live in
`roll_call`, the majorities in `majority`, what everybody paints in `tally`, the bytes
of the log in `codec`. Anyone can install this package and check our numbers.
"""
