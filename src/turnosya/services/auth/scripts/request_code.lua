-- Makes a code, or repeats the live one, unless a pause or a budget stands against it.
-- given: id, subject, purpose, digest, sealed, user, roles, prefix, address, limited, code_requested,
-- begun_at, expires_at (ms), expires_at_text
local PAUSES = { MINUTE, 2 * MINUTE, 5 * MINUTE }
local RESEND_LEFT = 2 * MINUTE
local CODES_WATCHED, ENTERED_PART = 50, 0.2

local live = live_key(given.purpose, given.subject)
local present_id = redis.call('GET', live)
local present = present_id and hash(challenge_key(present_id)) or {}
-- Wrong tries kill a challenge; so does a number that has come to somebody else, and the end of all sessions.
local alive = present.status == 'live' and now < tonumber(present.expires_at)
  and tonumber(present.tries) < TRIES and present.user == given.user
  and (given.user == '' or not is_outlived(present))

local wait = 0
local function at_least(ms) if ms > wait then wait = ms end end

-- How long until fewer than `limit` of the set's times lie in the last `window`.
local function budget(key, window, limit)
  local within = redis.call('ZCOUNT', key, '(' .. whole(now - window), '+inf')
  if within < limit then return end
  local first = redis.call('ZRANGEBYSCORE', key, '(' .. whole(now - window), '+inf', 'WITHSCORES',
    'LIMIT', within - limit, 1)
  at_least(tonumber(first[2]) + window - now)
end

local by_number = 'auth:sends:' .. given.subject
local by_prefix = given.prefix ~= '' and 'auth:prefix:' .. given.prefix or nil
local by_address = given.address ~= '' and 'auth:address:' .. given.address or nil

if given.limited then
  if alive then
    local pause = PAUSES[math.min(tonumber(present.sends), #PAUSES)]
    at_least(tonumber(present.last_sent_at) + pause - now)
  end
  budget(by_number, 10 * MINUTE, 5)
  budget(by_number, HOUR, 8)
  budget(by_number, DAY, 15)
  if by_address then
    budget(by_address .. ':sends', HOUR, 20)
    local seen = redis.call('ZSCORE', by_address .. ':numbers', given.subject)
    if not seen or tonumber(seen) <= now - HOUR then budget(by_address .. ':numbers', HOUR, 5) end
  end
  if by_prefix then
    budget(by_prefix .. ':sends', HOUR, 20)
    local rests_until = redis.call('GET', by_prefix .. ':rests')
    if rests_until then at_least(tonumber(rests_until) - now) end
  end
  if wait > 0 then return answer('too_many', { retry_after_ms = wait }) end
end

local function record(key, member, kept)
  redis.call('ZADD', key, now, member)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - kept)
  redis.call('PEXPIRE', key, kept + HOUR)
end

-- `given.id` is new in every request, so it names this sending even when the code is an older one.
record(by_number, given.id, DAY)
if by_address then
  record(by_address .. ':sends', given.id, HOUR)
  record(by_address .. ':numbers', given.subject, HOUR)
end
if by_prefix then record(by_prefix .. ':sends', given.id, HOUR) end

local function next_pause(sends)
  if not given.limited then return 0 end
  return PAUSES[math.min(sends, #PAUSES)]
end

if alive and tonumber(present.expires_at) - now >= RESEND_LEFT then
  local sends = redis.call('HINCRBY', challenge_key(present_id), 'sends', 1)
  redis.call('HSET', challenge_key(present_id), 'last_sent_at', whole(now))
  given.code_requested['until'] = present.expires_at
  tell(given.code_requested, present_id, {
    challenge_id = present_id, code = present.sealed, send = sends, expires_at = present.expires_at_text,
  })
  return answer('sent', { challenge_id = present_id, expires_in_ms = tonumber(present.expires_at) - now,
    resend_after_ms = next_pause(sends) })
end

if present_id then
  redis.call('HSET', challenge_key(present_id), 'status', 'dead')
  redis.call('HDEL', challenge_key(present_id), 'sealed', 'digest')
  redis.call('PEXPIRE', challenge_key(present_id), HOUR)
end
redis.call('HSET', challenge_key(given.id), 'status', 'live', 'purpose', given.purpose,
  'subject', given.subject, 'digest', given.digest, 'sealed', given.sealed, 'user', given.user,
  'roles', given.roles, 'prefix', given.prefix, 'tries', 0, 'sends', 1, 'last_sent_at', whole(now),
  'begun_at', whole(given.begun_at),
  'expires_at', whole(given.expires_at), 'expires_at_text', given.expires_at_text)
-- A minute for clocks: what is over is answered as what never was, and its code should lie nowhere.
redis.call('PEXPIRE', challenge_key(given.id), CODE_LIFE + MINUTE)
redis.call('SET', live, given.id, 'PX', CODE_LIFE + MINUTE)

if by_prefix then
  local made, entered = by_prefix .. ':made', by_prefix .. ':entered'
  redis.call('ZADD', made, now, given.id)
  redis.call('ZREMRANGEBYRANK', made, 0, -CODES_WATCHED - 1)
  local oldest = redis.call('ZRANGE', made, 0, 0, 'WITHSCORES')[2]
  redis.call('ZREMRANGEBYSCORE', entered, '-inf', '(' .. oldest)
  redis.call('PEXPIRE', made, 7 * DAY)
  redis.call('PEXPIRE', entered, 7 * DAY)
  if redis.call('ZCARD', made) >= CODES_WATCHED
    and redis.call('ZCARD', entered) < CODES_WATCHED * ENTERED_PART then
    redis.call('SET', by_prefix .. ':rests', whole(now + HOUR), 'PX', 2 * HOUR)
    -- Else the same fifty would send it to rest again for ever.
    redis.call('DEL', made, entered)
  end
end

tell(given.code_requested, given.id, {})
return answer('sent', { challenge_id = given.id, expires_in_ms = given.expires_at - now,
  resend_after_ms = next_pause(1) })
