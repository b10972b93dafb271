-- Decides about a refresh token whose MAC is right: status first, then expiry, then generation.
-- given: family, generation, retry (digest of the Idempotency-Key or ''), access_changed, sessions_ended, noted
local RETRY_WITHIN = MINUTE
if redis.call('EXISTS', LOADED) == 0 then return answer('not_loaded') end

local key = family_key(given.family)
local family = hash(key)
if not family.status then return answer('unknown') end
local user = family.user
if blocked(user) then
  note_security('refused', user, { session_id = family.session, reason = 'access_blocked' })
  return answer('blocked')
end
if family.status ~= 'active' then return answer('revoked') end

local generation = tonumber(family.generation)
-- When a generation was issued; those older than the life of a token are forgotten.
local function issued_at(number)
  local place = number - 1 - tonumber(family.forgotten)
  return place >= 0 and tonumber(redis.call('LINDEX', issued_key(given.family), place) or 0) or 0
end
if now >= tonumber(family.expires_at) then return answer('expired') end
if given.generation > generation then return answer('unknown') end
if now >= issued_at(given.generation) + TOKEN_LIFE then return answer('expired') end

local function current(outcome)
  generation = tonumber(redis.call('HGET', key, 'generation'))
  local made_at = tonumber(redis.call('LINDEX', issued_key(given.family), -1))
  return answer(outcome, { user_id = user, session_id = family.session, generation = generation,
    version = version_of(user), roles = redis.call('HGET', user_key(user), 'roles') or '[]',
    expires_in_ms = math.min(made_at + TOKEN_LIFE, tonumber(family.expires_at)) - now })
end

if given.generation == generation then
  redis.call('HSET', key, 'generation', generation + 1, 'rotated_at', whole(now), 'retry', given.retry)
  redis.call('RPUSH', issued_key(given.family), whole(now))
  -- A bounded number, so that no rotation is slow after a long absence.
  for _ = 1, 100 do
    if tonumber(redis.call('LINDEX', issued_key(given.family), 0)) > now - TOKEN_LIFE then break end
    redis.call('LPOP', issued_key(given.family))
    redis.call('HINCRBY', key, 'forgotten', 1)
  end
  return current('rotated')
end

local since = now - tonumber(family.rotated_at)
if given.generation == generation - 1 and given.retry ~= '' and given.retry == family.retry
  and since <= RETRY_WITHIN then
  note(given.family, 'replayed ' .. given.generation)
  return current('replayed')
end

note(given.family, 'reused ' .. given.generation)
note_security('reused', user, { session_id = family.session })
local successor_at = issued_at(given.generation + 1)
local change = end_access(user, 'reused', {})
change.age_ms, change.distance = now - successor_at, generation - given.generation
return answer('reused', change)
