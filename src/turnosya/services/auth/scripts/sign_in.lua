-- A right code opens a session: the oldest beyond ten ends.
-- given: id, digest, family, session, device, signed_in, access_changed, sessions_ended, noted
local SESSIONS = 10
if redis.call('EXISTS', LOADED) == 0 then return answer('not_loaded') end

local verdict, challenge = try_code(given.id, 'login', given.digest)
local user = challenge.user
if verdict ~= 'good' then
  note_refused_code(given.id, user, 'otp_' .. verdict)
  return answer(verdict)
end
if blocked(user) then
  note_refused_code(given.id, user, 'access_blocked')
  return answer('blocked')
end
if is_outlived(challenge) then
  note_refused_code(given.id, user, 'otp_invalid')
  return answer('invalid')
end

-- A change of roles that arrived after the password was checked is the newer one.
redis.call('HSETNX', user_key(user), 'roles', challenge.roles)
redis.call('HSET', family_key(given.family), 'status', 'active', 'generation', 1, 'rotated_at', whole(now),
  'expires_at', whole(now + KEPT), 'user', user, 'session', given.session, 'device', given.device,
  'created_at', whole(now), 'retry', '', 'forgotten', 0)
redis.call('PEXPIRE', family_key(given.family), 2 * KEPT)
redis.call('RPUSH', issued_key(given.family), whole(now))
redis.call('PEXPIRE', issued_key(given.family), 2 * KEPT)
note(given.family, 'signed_in')
redis.call('HSET', sessions_key(user), given.session, given.family)

-- Sessions whose tokens have expired are nobody's any more: they do not count.
local sessions = {}
local flat = redis.call('HGETALL', sessions_key(user))
for i = 1, #flat, 2 do
  local family = hash(family_key(flat[i + 1]))
  local over = not family.status or now >= tonumber(family.expires_at)
    or now >= tonumber(family.rotated_at) + TOKEN_LIFE
  if over then
    redis.call('HDEL', sessions_key(user), flat[i])
    redis.call('HDEL', family_key(flat[i + 1]), 'device')
  else
    table.insert(sessions, flat[i])
  end
end
table.sort(sessions)
local ended = {}
for i = 1, #sessions - SESSIONS do
  end_session(user, sessions[i], 'too_many')
  table.insert(ended, sessions[i])
end
if #ended > 0 then
  tell_gateways(user, { ended_session_ids = ended })
  tell(given.sessions_ended, user, { user_id = user, session_ids = ended })
end
tell(given.signed_in, user, { user_id = user })
note_security('signed_in', user, { actor_id = user, session_id = given.session })
return answer('signed_in', { user_id = user, version = version_of(user),
  roles = redis.call('HGET', user_key(user), 'roles'), ended_session_ids = listed(ended), at = instant() })
