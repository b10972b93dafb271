-- Fills an empty store with what users has kept; whoever comes second changes nothing.
-- given: blocked (user -> JSON), version
if redis.call('EXISTS', LOADED) == 1 then return answer('loaded') end
for user, reason in pairs(given.blocked) do redis.call('HSETNX', BLOCKED, user, reason) end
redis.call('SET', LOADED, whole(given.version))
return answer('loaded')
