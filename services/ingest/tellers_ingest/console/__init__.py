"""The clerk's console: a page that sends the same commands as everybody else."""
