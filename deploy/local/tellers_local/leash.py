"""Runs a command that ends when its parent ends, however that happens.

    python leash.py <pid of the parent> COMMAND...

Linux sends the signal of PR_SET_PDEATHSIG when the *thread* that forked ends: start
this from the main thread. SIGKILL, since everything here is built to survive it, and a
child that took its time would still hold its port when the system is started again.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    _, parent, *command = sys.argv
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        sys.exit("the parent ended before its child began")
    os.execvp(command[0], command)
