-- What every script begins with: its arguments, the names of keys, events, and the ending of sessions.
-- Redis 6.2 and newer; no cluster, so keys are named here. ARGV: now in milliseconds, arguments as JSON.
-- Time is always the caller's; what Redis lets expire is only what nobody will ask for again.
local now = tonumber(ARGV[1])
local given = cjson.decode(ARGV[2])

local MINUTE, HOUR, DAY = 60000, 3600000, 86400000
-- Nothing older than the life of an access token matters to a gateway; one minute for its clock.
local REMEMBERED = 16 * MINUTE
local KEPT, TOKEN_LIFE = 90 * DAY, 30 * DAY

local LOADED, BLOCKED = 'auth:loaded', 'auth:blocked'
local RAISED, ENDED = 'auth:raised', 'auth:ended'

local function user_key(user) return 'auth:user:' .. user end
local function sessions_key(user) return 'auth:sessions:' .. user end
local function family_key(family) return 'auth:family:' .. family end
local function issued_key(family) return 'auth:issued:' .. family end
local function history_key(family) return 'auth:history:' .. family end

local function whole(number) return string.format('%.0f', number) end

local function hash(key)
  local found, flat = {}, redis.call('HGETALL', key)
  for i = 1, #flat, 2 do found[flat[i]] = flat[i + 1] end
  return found
end

local function answer(outcome, members)
  members = members or {}
  members.outcome = outcome
  return cjson.encode(members)
end

-- Stores an event for the relay. A draft is the encoded event; what only the script knows is filled in.
local function tell(draft, aggregate, changes)
  for name, value in pairs(changes) do draft.body[name] = value end
  draft.headers.aggregate = 'auth:' .. aggregate
  redis.call('XADD', draft.stream, '*', 'name', draft.name, 'body', cjson.encode(draft.body),
    'headers', cjson.encode(draft.headers), 'until', draft['until'] or '')
end

-- What gateways must know, stamped by Redis's own clock: a gateway that takes a snapshot while changes
-- arrive must see in which order they were made, whichever copy of auth made them.
local function instant()
  local time = redis.call('TIME')
  return time[1] .. '.' .. string.format('%06d', tonumber(time[2]))
end

local function tell_gateways(user, change)
  change.user_id, change.at = user, instant()
  tell(given.access_changed, user, change)
  return change
end

-- Versions count from the second in which this store was first filled, so that after a loss of the
-- store they begin above every version that was ever given.
local function version_of(user)
  return tonumber(redis.call('HGET', user_key(user), 'uv') or redis.call('GET', LOADED))
end

-- Whether a log-in was begun before everything of this user ended: its code opens nothing any more.
-- It begins before the password is looked at, which may be another by the time its code is made.
local function is_outlived(challenge)
  local ended_at = redis.call('HGET', user_key(challenge.user), 'codes_from')
  return ended_at and tonumber(challenge.begun_at or 0) < tonumber(ended_at)
end

local function raise_version(user)
  local version = version_of(user) + 1
  redis.call('HSET', user_key(user), 'uv', whole(version))
  redis.call('ZADD', RAISED, now, user)
  redis.call('ZREMRANGEBYSCORE', RAISED, '-inf', now - REMEMBERED)
  return version
end

local function note(family, what)
  local key = history_key(family)
  redis.call('RPUSH', key, whole(now) .. ' ' .. what)
  redis.call('LTRIM', key, -1000, -1)
  redis.call('PEXPIRE', key, KEPT)
end

local function remember_ended(session)
  redis.call('ZADD', ENDED, now, session)
  redis.call('ZREMRANGEBYSCORE', ENDED, '-inf', now - REMEMBERED)
end

local function end_session(user, session, why)
  local family = redis.call('HGET', sessions_key(user), session)
  if not family then return false end
  redis.call('HSET', family_key(family), 'status', 'revoked')
  -- Its name was the person's own word; nobody shows it any more.
  redis.call('HDEL', family_key(family), 'device')
  note(family, 'ended ' .. why)
  redis.call('HDEL', sessions_key(user), session)
  remember_ended(session)
  return true
end

-- Ends every session but `keep`; the ids of those that ended, oldest first.
local function end_sessions(user, why, keep)
  local ended = {}
  local sessions = redis.call('HKEYS', sessions_key(user))
  table.sort(sessions)
  for _, session in ipairs(sessions) do
    if session ~= keep and end_session(user, session, why) then table.insert(ended, session) end
  end
  return ended
end

-- An empty table would become `{}`, no list: it is left out instead.
local function listed(list)
  if #list > 0 then return list end
  return nil
end

local function blocked(user) return redis.call('HEXISTS', BLOCKED, user) == 1 end

-- Ends sessions and tells gateways and the person. Log-ins that a password has begun before end with them:
-- whoever knew it may hold their code. Without `keep`, tokens of sessions that nobody
-- lists any more end too: the version rises.
local function end_access(user, why, options)
  local ended = end_sessions(user, why, options.keep)
  redis.call('HSET', user_key(user), 'codes_from', whole(now))
  local change = { ended_session_ids = listed(ended), blocked = options.blocked }
  if not options.keep then change.version = raise_version(user) end
  tell_gateways(user, change)
  if #ended > 0 then
    tell(given.sessions_ended, user, { user_id = user, session_ids = ended })
  end
  return change
end

-- The audit is told what happened to an account, or to nobody's (no `user`): ids and words of ours only.
local function note_security(kind, user, changes)
  changes.kind, changes.subject_id = kind, user
  tell(given.noted, user or 'nobody', changes)
end

-- Keyed requests are answered as the first time.
local function remembered(key) return key and redis.call('GET', 'auth:done:' .. key) end
local function remember(key, ms, text)
  if key then redis.call('SET', 'auth:done:' .. key, text, 'PX', ms) end
  return text
end
