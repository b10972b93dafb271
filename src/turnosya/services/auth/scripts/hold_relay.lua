-- One copy delivers at a time; it holds the lock for `ms` and renews it. given: holder, ms
local LOCK = 'auth:relay'
local holder = redis.call('GET', LOCK)
if holder and holder ~= given.holder then return answer('held') end
redis.call('SET', LOCK, given.holder, 'PX', given.ms)
return answer('holding')
