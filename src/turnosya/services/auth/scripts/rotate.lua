-- Decides about a refresh token whose MAC is right: status first, then expiry, then generation.
-- given: family, generation, retry (digest of the Idempotency-Key or ''), access_changed, sessions_ended
local RETRY_WITHIN = MINUTE
if redis.call('EXISTS', LOADED) == 0 then return answer('not_loaded') end

local key = family_key(given.family)
local family = hash(key)
if not family.status then return answer('unknown') end
local user = family.user
if blocked(user) then return answer('blocked') end
if family.status ~= 'active' then return answer('revoked') end

local generation = tonumber(family.generation)
local issued_at = tonumber(redis.call('LINDEX', issued_key(given.family), given.generation - 1) or 0)
if now >= tonumber(family.expires_at) then return answer('expired') end
if given.generation > generation then return answer('unknown') end
if now >= issued_at + TOKEN_LIFE then return answer('expired') end

local function current(outcome)
  generation = tonumber(redis.call('HGET', key, 'generation'))
  local made_at = tonumber(redis.call('LINDEX', issued_key(given.family), generation - 1))
  return answer(outcome, { user_id = user, session_id = family.session, generation = generation,
    version = version_of(user), roles = redis.call('HGET', user_key(user), 'roles') or '[]',
    expires_in_ms = math.min(made_at + TOKEN_LIFE, tonumber(family.expires_at)) - now })
end

if given.generation == generation then
  redis.call('HSET', key, 'generation', generation + 1, 'rotated_at', whole(now), 'retry', given.retry)
  redis.call('RPUSH', issued_key(given.family), whole(now))
  return current('rotated')
end

local since = now - tonumber(family.rotated_at)
if given.generation == generation - 1 and given.retry ~= '' and given.retry == family.retry
  and since <= RETRY_WITHIN then
  note(given.family, 'replayed ' .. given.generation)
  return current('replayed')
end

note(given.family, 'reused ' .. given.generation)
local successor_at = tonumber(redis.call('LINDEX', issued_key(given.family), given.generation))
local change = end_access(user, 'reused', {})
change.age_ms, change.distance = now - successor_at, generation - given.generation
return answer('reused', change)
