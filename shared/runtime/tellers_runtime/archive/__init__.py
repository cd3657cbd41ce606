"""The archive in SQL: the log kept for good, its tree, and the projections.

`tables` has the schema, `engine` the connection, `reading` what gateway and tools read,
`trees` how the Merkle tree is kept, `proofs` what is proven with it. Only the tally
service writes (`tellers_tally.store`), but for witnesses' signatures
(`proofs.ProofReader.cosign`).
"""
