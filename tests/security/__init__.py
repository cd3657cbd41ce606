"""The security checklist, one module or more an item: docs/security.md names them."""
