"""`python -m tellers_local` is the command `tellers`."""

from tellers_local.cli import main

if __name__ == "__main__":
    main()
