-- The signing keys, after adding the candidate if one is due and dropping those that are done with.
-- In a lost store there is none until it is filled again: a new one would make every token look forged.
-- The first is used at once; the next is published 20 minutes before its use, a former kept 30 after.
-- given: id, public, private; without them 'due' is answered when one is wanted
if redis.call('EXISTS', LOADED) == 0 then return answer('not_loaded') end
local USED, PUBLISHED_BEFORE, KEPT_AFTER = 30 * DAY, 20 * MINUTE, 30 * MINUTE
local KEYS_OF_AUTH = 'auth:keys'

local keys = {}
for id, text in pairs(hash(KEYS_OF_AUTH)) do
  local key = cjson.decode(text)
  key.id = id
  table.insert(keys, key)
end
table.sort(keys, function(a, b) return a.used_from < b.used_from end)

local newest, used_from = keys[#keys], nil
if not newest then
  used_from = now
elseif now >= newest.used_from + USED - PUBLISHED_BEFORE then
  used_from = math.max(newest.used_from + USED, now + PUBLISHED_BEFORE)
end
if used_from and not given.id then return answer('due') end
if used_from then
  local key = { id = given.id, public = given.public, private = given.private, used_from = used_from }
  redis.call('HSET', KEYS_OF_AUTH, given.id, cjson.encode(key))
  table.insert(keys, key)
end
local kept = {}
for i, key in ipairs(keys) do
  local successor = keys[i + 1]
  if successor and successor.used_from + KEPT_AFTER <= now then
    redis.call('HDEL', KEYS_OF_AUTH, key.id)
  else
    table.insert(kept, key)
  end
end
return answer('kept', { keys = kept })
