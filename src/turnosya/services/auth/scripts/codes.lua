-- Trying a code. Follows the prelude.
local TRIES, WRONG_A_DAY = 5, 10
local CODE_LIFE = 5 * MINUTE

local function challenge_key(id) return 'auth:challenge:' .. id end
local function live_key(purpose, subject) return 'auth:live:' .. purpose .. ':' .. subject end

-- Compares two digests of equal length without telling where they differ.
local function same(a, b)
  if #a ~= #b then return false end
  local difference = 0
  for i = 1, #a do difference = bit.bor(difference, bit.bxor(a:byte(i), b:byte(i))) end
  return difference == 0
end

-- A refused code is in the audit, but only so often a challenge: who tries on and on fills no audit.
local function note_refused_code(id, user, reason)
  if user == '' then user = nil end
  if redis.call('EXISTS', challenge_key(id)) == 0 then return end
  if redis.call('HINCRBY', challenge_key(id), 'refused', 1) > TRIES + 1 then return end
  note_security('refused', user, { reason = reason })
end

-- 'good' uses the code up; else 'invalid' or 'exceeded'. The try is counted before it is compared.
local function try_code(id, purpose, digest)
  local key = challenge_key(id)
  local challenge = hash(key)
  if challenge.status ~= 'live' or challenge.purpose ~= purpose or now >= tonumber(challenge.expires_at) then
    return 'invalid', challenge
  end
  local wrong = 'auth:wrong:' .. purpose .. ':' .. challenge.subject
  redis.call('ZREMRANGEBYSCORE', wrong, '-inf', now - DAY)
  if redis.call('ZCARD', wrong) >= WRONG_A_DAY then return 'exceeded', challenge end
  local tries = redis.call('HINCRBY', key, 'tries', 1)
  if tries > TRIES then return 'exceeded', challenge end
  if not same(challenge.digest, digest) then
    redis.call('ZADD', wrong, now, id .. ':' .. tries)
    redis.call('PEXPIRE', wrong, DAY + HOUR)
    return 'invalid', challenge
  end
  redis.call('HSET', key, 'status', 'used')
  redis.call('HDEL', key, 'sealed', 'digest')
  if redis.call('GET', live_key(purpose, challenge.subject)) == id then
    redis.call('DEL', live_key(purpose, challenge.subject))
  end
  if challenge.prefix ~= '' then redis.call('ZADD', 'auth:prefix:' .. challenge.prefix .. ':entered', now, id) end
  return 'good', challenge
end
