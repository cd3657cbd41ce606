#!/usr/bin/env bash
# Makes the users of Redis (7.0 or newer), each with the least rights its work needs:
#
#   make-users.sh DIRECTORY
#
# writes DIRECTORY/users.acl, for `aclfile` in redis.conf, and a password a user in
# DIRECTORY/<user>.password, for TELLERS_REDIS_PASSWORD_FILE. The ACL file has only the
# passwords' SHA-256. Run again it makes new ones; `ACL LOAD` takes them into use.
#
#   user               is for                          TELLERS_REDIS_URL
#   tellers-ingest     the ingest service              redis://tellers-ingest@host:6379/0
#   tellers-tally      the tally service               redis://tellers-tally@host:6379/0
#   tellers-gateway    the gateway: it only reads      redis://tellers-gateway@host:6379/0
#   tellers-webhooks   webhooks: it only reads         redis://tellers-webhooks@host:6379/0
#   tellers-operator   tokens, restore, backup         redis://tellers-operator@host:6379/0
#   tellers-subscriber a service of yours that reads the log by consumer group
#   tellers-replica    the replica at its primary      (DIRECTORY/replica.conf)
#   tellers-failover   asking how it is, promoting     (redis-cli)
#
# and DIRECTORY/replica.conf, which redis.conf of a replica includes.
#
# Nobody may trim the log, delete it, or empty the database. The keys are those of
# shared/runtime/tellers_runtime/keys.py.
set -euo pipefail
umask 077
directory=${1:?usage: make-users.sh DIRECTORY}
mkdir -p "$directory"

# A new password for the user, into its file; its SHA-256 to the output.
password() {
    local file="$directory/$1.password" secret
    secret=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
    printf '%s\n' "$secret" >"$file.new"
    mv "$file.new" "$file"
    printf '%s' "$secret" | sha256sum | cut -d' ' -f1
}

# A key of every chamber, and that of its log of rehearsals: `%R~` reads, `%RW~` both.
of_logs() { printf '%s~tellers:{*}:%s %s~tellers:{*}:rehearsal:%s' "$1" "$2" "$1" "$2"; }

user() {
    local name=$1
    shift
    echo "user $name on #$(password "$name") resetkeys resetchannels -@all $connect $*"
}

connect="+ping +hello +info +client|setname +cluster|slots +cluster|info"

{
    # Off: nobody can be it, and who has not said who he is may do nothing. But Redis
    # reads its own append-only file as this user, and checks what it may for each
    # EXEC in it, which every append is: without rights here a restart would find an
    # empty log (7.0.15, tests/security/test_redis_users.py).
    echo "user default off resetpass allkeys allchannels +@all"
    user tellers-ingest \
        "$(of_logs %RW events)" "$(of_logs %RW meta)" \
        "$(of_logs %RW public)" "%RW~tellers:{*}:approval:*" \
        "%RW~tellers:{*}:roll-call:* %RW~tellers:{*}:idem:* %R~tellers:tokens" \
        "%W~tellers:{*}:written" \
        "&tellers:written" \
        "+evalsha +eval +script|load +get +set +hget +hmget +hgetall +hset +hdel" \
        "+xadd +xrevrange +xinfo|stream +publish +wait"
    user tellers-tally \
        "$(of_logs %R events)" "$(of_logs %RW meta)" "$(of_logs %RW tallies)" \
        "+xread +xrange +hget +hmget +hsetnx +xadd"
    user tellers-gateway \
        "$(of_logs %R events)" "$(of_logs %R meta)" "$(of_logs %R tallies)" \
        "$(of_logs %R public)" "+xread +xrange +xrevrange +hget +hmget"
    user tellers-webhooks \
        "%R~tellers:tokens $(of_logs %R public)" "+hget +xrevrange"
    # Groups are kept with the stream, hence the right to write; no command appends.
    user tellers-subscriber \
        "$(of_logs %RW events)" "$(of_logs %R meta)" \
        "+xgroup|create +xreadgroup +xack +xautoclaim +xpending +xinfo|groups +hget"
    # What may be deleted is what a restore puts aside or makes anew, never a log.
    user tellers-operator \
        "~tellers:* &tellers:written" \
        "+get +set +pttl +exists +scan +hget +hmget +hgetall +hset +hsetnx +hdel" \
        "+xadd +xlen +xread +xrange +xinfo|stream +rename +publish" \
        "+multi +exec +discard +watch +unwatch" \
        "(+del +unlink $(of_logs "" meta) $(of_logs "" tallies) ~tellers:{*}:*:restoring" \
        "~tellers:{*}:roll-call:* ~tellers:{*}:idem:*)"
    user tellers-replica "+psync +replconf"
    user tellers-failover "+role +replicaof +failover +acl|load +wait"
} >"$directory/users.acl.new"
mv "$directory/users.acl.new" "$directory/users.acl"

{
    echo "masteruser tellers-replica"
    echo "masterauth $(cat "$directory/tellers-replica.password")"
} >"$directory/replica.conf.new"
mv "$directory/replica.conf.new" "$directory/replica.conf"
