"""`python -m tellers_runtime.archive`: brings the archive's schema up to date.

What `tellers up` does at its start, for those who start the services themselves: once,
before them.
"""

from tellers_runtime.archive.engine import migrate
from tellers_runtime.settings import ArchiveSettings


def main() -> None:
    """Migrate the archive that the environment names."""
    migrate(ArchiveSettings().archive_url)


if __name__ == "__main__":
    main()
