-- Blocks or unblocks a user. given: user, blocked, reason (JSON), access_changed, sessions_ended
if redis.call('EXISTS', LOADED) == 0 then return answer('not_loaded') end
if given.blocked then
  redis.call('HSET', BLOCKED, given.user, given.reason)
  return answer('blocked', end_access(given.user, 'blocked', { blocked = true }))
end
redis.call('HDEL', BLOCKED, given.user)
return answer('unblocked', tell_gateways(given.user, { blocked = false }))
