"""The script that runs in Redis: each call is one atomic step.

A group has a hash and a stream. The hash has `e`, the epoch; `n`, the last offset; `r`, the run id
of the server; and `w<writer>`, the last number of each writer with its offset and its time. The ids
of the stream are `<offset>-<expiry>`, with the expiry in milliseconds by the clock of the server.
"""

__all__ = ["SCRIPT"]

SCRIPT = """
local hash, stream = KEYS[1], KEYS[2]
local operation, run, fresh, keep = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local writer = (operation == 'append' or operation == 'begin') and ARGV[5] or ''
local known = redis.call('HMGET', hash, 'e', 'n', 'r', 'w' .. writer)
local epoch, last, before = known[1], tonumber(known[2] or 0), known[4]

local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Another run id: the server may have started from an old snapshot, with offsets that were used.
-- The hash and the stream begin together: either may have been evicted alone.
local begins = operation == 'begin'
if begins and before and tonumber(ARGV[6]) <= tonumber(string.match(before, '^%d+')) then
  begins = false  -- the same call has begun it
end
if begins or not epoch or known[3] ~= run then
  if not epoch and (operation == 'look' or operation == 'last') then return false end
  redis.call('HSET', hash, 'r', run)  -- first: a server without memory refuses it, and not a DEL
  local fields = redis.call('HGETALL', hash)
  redis.call('DEL', hash, stream)
  epoch, last = fresh, 0
  redis.call('HSET', hash, 'e', epoch, 'n', 0, 'r', run)
  -- What writers have appended before is not appended once more.
  for i = 1, #fields, 2 do
    local number, at = string.match(fields[i + 1], '^(%d+) %d+ (%d+)$')
    if string.sub(fields[i], 1, 1) == 'w' then
      redis.call('HSET', hash, fields[i], number .. ' 0 ' .. at)
    end
  end
  if before then before = redis.call('HGET', hash, 'w' .. writer) end
  if operation == 'begin' and ARGV[5] ~= '' then
    redis.call('HSET', hash, 'w' .. ARGV[5], ARGV[6] .. ' 0 ' .. clock())
  end
end

-- Every call writes, so a replica answers with an error, and not with what it had in the past.
-- An append does it last: after a write, a server without memory lets a script write anything.
if operation ~= 'append' then
  redis.call('PEXPIRE', hash, math.max(keep, redis.call('PTTL', hash)))
end
if operation == 'look' or operation == 'position' or operation == 'begin' then
  return {epoch, last}
end

local now = clock()

local function parts(id)
  local offset, expiry = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(offset), tonumber(expiry)
end

if operation == 'append' then
  local number, text, size, age = tonumber(ARGV[6]), ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9])
  local mark = writer .. ' ' .. ARGV[6]
  if before then
    local number_before, offset_before = string.match(before, '^(%d+) (%d+)')
    if number == tonumber(number_before) then return {epoch, tonumber(offset_before)} end
    if number < tonumber(number_before) then
      for _, entry in ipairs(redis.call('XREVRANGE', stream, '+', '-')) do
        if entry[2][4] == mark then return {epoch, (parts(entry[1]))} end
      end
      return {epoch, 0}
    end
  else
    local fields = redis.call('HGETALL', hash)
    for i = 1, #fields, 2 do
      local at = string.match(fields[i + 1], '^%d+ %d+ (%d+)$')
      if string.sub(fields[i], 1, 1) == 'w' and tonumber(at) <= now - tonumber(ARGV[10]) then
        redis.call('HDEL', hash, fields[i])
      end
    end
  end
  local offset = last + 1
  redis.call('XADD', stream, 'MAXLEN', size, offset .. '-' .. now + age, 't', text, 'w', mark)
  redis.call('HSET', hash, 'n', offset, 'w' .. writer, ARGV[6] .. ' ' .. offset .. ' ' .. now)
  redis.call('PEXPIRE', stream, age)
  redis.call('PEXPIRE', hash, keep)
  return {epoch, offset}
end

if operation == 'since' then
  local page, gap = {epoch, last, 0, 0}, {epoch, last, 1, 0}
  local at, limit, bytes = tonumber(ARGV[6]), tonumber(ARGV[7]), 0
  if ARGV[5] ~= epoch or at < 0 or at > last then return gap end
  while at < last do
    local entries = redis.call('XRANGE', stream, at + 1, '+', 'COUNT', 20)
    if #entries == 0 then return gap end
    for _, entry in ipairs(entries) do
      local offset, expiry = parts(entry[1])
      local text = entry[2][2]
      bytes = bytes + #text
      if offset ~= at + 1 or (#page == 4 and expiry <= now) then return gap end
      if #page > 4 and bytes > limit then
        page[4] = 1
        return page
      end
      page[#page + 1] = text
      at = offset
    end
  end
  return page
end

if operation == 'last' then
  local found = {}
  for _, entry in ipairs(redis.call('XREVRANGE', stream, '+', '-', 'COUNT', ARGV[5])) do
    local offset, expiry = parts(entry[1])
    if expiry <= now then break end
    found[#found + 1] = offset
    found[#found + 1] = entry[2][2]
  end
  return found
end
"""
"""KEYS: the hash, the stream.

ARGV: the operation, the run id, a name for an epoch that may begin, milliseconds to keep the hash;
then what the operation needs:

`append`: writer, number, text, size, age and age of writers in milliseconds → epoch, offset; an
offset of 0 if a repeated message is no longer kept
`since`: epoch, offset, most bytes → epoch, last offset, gap (0 or 1), more (0 or 1), texts
`last`: the number of messages → offset, text, offset, text …, newest first
`begin` (another epoch): writer, number → epoch, offset 0
`position`, `look` (nothing if there is none) → epoch, last offset
"""
