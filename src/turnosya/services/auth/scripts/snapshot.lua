-- Who may not come in although a token of theirs has not expired.
if redis.call('EXISTS', LOADED) == 0 then return answer('not_loaded') end
local versions = {}
for _, user in ipairs(redis.call('ZRANGEBYSCORE', RAISED, now - REMEMBERED, '+inf')) do
  table.insert(versions, { user, version_of(user) })
end
return answer('snapshot', {
  at = instant(),
  blocked = listed(redis.call('HKEYS', BLOCKED)),
  versions = listed(versions),
  ended = listed(redis.call('ZRANGEBYSCORE', ENDED, now - REMEMBERED, '+inf')),
})
