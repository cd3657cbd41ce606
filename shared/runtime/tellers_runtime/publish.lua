-- What operators say about publication, or nothing: one entry, with the log's head.
--
-- KEYS  1 stream of publications   2 meta hash of the log   3 idempotency key
-- ARGV  1 fingerprint of the request, '' when it has no idempotency key
--       2 seconds an idempotency key lives   3 the answer to keep under it
--       4 id of the entry this rests on, '' for none
--       5 the publication (JSON), '' when it is so already
--       6 'head': all up to the log's head is public now; 'same': as before
-- Reply {'OK'}  {'DUP', answer}  {'IDEM_CONFLICT'}  {'STALE'}  {'LOST', reason}

local stream, meta, idem = KEYS[1], KEYS[2], KEYS[3]
local fingerprint = ARGV[1]

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
local head = heart[1] or '0'

local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
local place, public = '', '0'
if #last > 0 then
  place = last[1][1]
  local fields = last[1][2]
  for i = 1, #fields, 2 do
    if fields[i] == 'public' then public = fields[i + 1] end
  end
end
if place ~= ARGV[4] then return {'STALE'} end

if ARGV[5] ~= '' then
  if ARGV[6] == 'head' then public = head end
  redis.call('XADD', stream, 'MAXLEN', '~', 1000, '*',
    'p', ARGV[5], 'seq', head, 'public', public)
end
if fingerprint ~= '' then
  redis.call('SET', idem, fingerprint .. ARGV[3], 'EX', ARGV[2])
end
return {'OK'}
