"""Every Redis key, its type and who writes it.

    tellers:{ga}:events               stream  ingest   the log: `<seq>-0`, field `e`
    tellers:{ga}:meta                 hash    ingest   seq, epoch of the log
    tellers:{ga}:tallies              stream  tally    published tallies, field `t`
    tellers:{ga}:public               stream  ingest   what is published (publishing.py)
    tellers:{ga}:rehearsal:events     the same four for the log of rehearsals
    tellers:{ga}:rehearsal:meta
    tellers:{ga}:rehearsal:tallies
    tellers:{ga}:rehearsal:public
    tellers:{ga}:roll-call:<id>       hash    ingest   what `decide` needs (fields.py)
    tellers:{ga}:idem:<sha256>        string  ingest   answer given to a key, 24 h
    tellers:{ga}:written              string  ingest   empty: marks a place for WAIT,
                                                       in a Redis Cluster
    tellers:{ga}:approval:<id>        string  ingest   a first person's word, 2 min
    tellers:{ga}:...:restoring        both    restore  not yet in place (staging.py)
    tellers:tokens                    hash    tokens   id -> token, hashed
    tellers:written                   channel ingest   empty: the same, elsewhere

All keys of a chamber share the hash tag `{ga}`, so that one script may touch them and
chambers spread over the nodes of a Redis Cluster.
"""

from tellers_core.codec import LogName

TOKENS = "tellers:tokens"
WRITTEN = "tellers:written"


def _log(log: LogName) -> str:
    return f"tellers:{{{log.chamber}}}:" + ("rehearsal:" if log.rehearsal else "")


def events(log: LogName) -> str:
    """The stream that is the log."""
    return f"{_log(log)}events"


def meta(log: LogName) -> str:
    """The log's head and epoch."""
    return f"{_log(log)}meta"


def tallies(log: LogName) -> str:
    """The stream of published tallies."""
    return f"{_log(log)}tallies"


def public(log: LogName) -> str:
    """The stream of what operators said about publication; its last entry is so."""
    return f"{_log(log)}public"


def roll_call(chamber: str, roll_call_id: str) -> str:
    """One roll call's state for deciding; its id is unique in the chamber, rehearsals
    included."""
    return f"tellers:{{{chamber}}}:roll-call:{roll_call_id}"


def idempotency(chamber: str, digest: str) -> str:
    """The answer once given to an idempotency key, named by the key's SHA-256."""
    return f"tellers:{{{chamber}}}:idem:{digest}"


def written(chamber: str) -> str:
    """A chamber's mark for WAIT in a cluster, where a publication marks nothing."""
    return f"tellers:{{{chamber}}}:written"


def of_chamber(chamber: str) -> str:
    """A key whose place in a cluster is that of all the chamber's keys."""
    return meta(LogName(chamber))


def approval(chamber: str, approval_id: str) -> str:
    """What a first person approved, until a second one carries it out."""
    return f"tellers:{{{chamber}}}:approval:{approval_id}"
