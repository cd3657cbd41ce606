-- The one atomic append: every check, then every write, or nothing.
--
-- KEYS  1 stream of events   2 meta hash   3 roll-call hash   4 idempotency key
-- ARGV  1 fingerprint of the request, '' when it has no idempotency key
--       2 seconds an idempotency key lives
--       3 roll-call id
--       4 answer up to its seq     5 answer after its version
--       6 number of guards   then  field, expected value ('' = absent)  for each
--         number of events   then  head, tail (codec.py)                for each
--         number of changes  then  field, value ('' = remove)           for each
-- Reply {'OK', seq, version, answer}   appended, or nothing to append
--       {'DUP', answer}                this key with this request was answered before
--       {'IDEM_CONFLICT'}              this key was used for another request
--       {'STALE', field, actual}       a guard does not hold: decide anew
--       {'LOST', reason}               the log is not there or not whole
--
-- Redis 6.2 and newer: no Functions, the time is inside the events. Lua numbers are
-- doubles, exact to 2^53; they are printed with %.0f, never by tostring. XADD comes
-- before the other writes: when memory is out, it refuses before anything is written.

local stream, meta, roll_call, idem = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local fingerprint = ARGV[1]

-- An answer once given is given again, even when the roll call has closed meanwhile.
if fingerprint ~= '' then
  local seen = redis.call('GET', idem)
  if seen then
    local size = #fingerprint
    if string.sub(seen, 1, size) ~= fingerprint then return {'IDEM_CONFLICT'} end
    return {'DUP', string.sub(seen, size + 1)}
  end
end

local heart = redis.call('HMGET', meta, 'seq', 'epoch')
if not heart[2] then return {'LOST', 'the log has no epoch'} end
local seq = tonumber(heart[1] or '0')

local at = 6
local guards = tonumber(ARGV[at])
if guards > 0 then
  local fields = {}
  for i = 1, guards do fields[i] = ARGV[at + 2 * i - 1] end
  local actual = redis.call('HMGET', roll_call, unpack(fields))
  for i = 1, guards do
    local found = actual[i] or ''
    if found ~= ARGV[at + 2 * i] then return {'STALE', fields[i], found} end
  end
end
at = at + 2 * guards + 1

local tip = 0
local info = redis.pcall('XINFO', 'STREAM', stream)
if not info.err then
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      tip = tonumber(string.match(info[i + 1], '^(%d+)-0$') or '-1')
    end
  end
end
if tip ~= seq then
  return {'LOST', string.format('the stream ends at %.0f, not at %.0f', tip, seq)}
end

local state = redis.call('HMGET', roll_call, 'version', 'seq')
local version = tonumber(state[1] or '0')
local last = tonumber(state[2] or '0')

local events = tonumber(ARGV[at])
for i = 1, events do
  seq = seq + 1
  version = version + 1
  local sequence = string.format('%016.0f', seq)
  redis.call('XADD', stream, string.format('%.0f-0', seq), 'e', table.concat({
    ARGV[at + 1], sequence,
    '","rollcall":"', ARGV[3],
    '","rollcallversion":', string.format('%.0f', version),
    ',"sequence":"', sequence, ARGV[at + 2],
  }))
  at = at + 2
  last = seq
end
at = at + 1

local seq_text = string.format('%.0f', last)
local version_text = string.format('%.0f', version)
local sets = {}
if events > 0 then
  redis.call('HSET', meta, 'seq', seq_text)
  sets = {'version', version_text, 'seq', seq_text}
end
local changes = tonumber(ARGV[at])
for i = 1, changes do
  if ARGV[at + 2] == '' then
    redis.call('HDEL', roll_call, ARGV[at + 1])
  else
    sets[#sets + 1] = ARGV[at + 1]
    sets[#sets + 1] = ARGV[at + 2]
  end
  at = at + 2
end
if #sets > 0 then redis.call('HSET', roll_call, unpack(sets)) end

local answer = ARGV[4] .. seq_text .. ',"version":' .. version_text .. ARGV[5]
if fingerprint ~= '' then
  redis.call('SET', idem, fingerprint .. answer, 'EX', ARGV[2])
end
return {'OK', seq_text, version_text, answer}
