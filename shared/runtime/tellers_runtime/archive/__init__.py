"""The archive in SQL: the log kept for good, and the projections.

`tables` has the schema, `engine` the connection, `reading` what gateway and tools read.
Only the tally service writes (`tellers_tally.store`).
"""
