-- Later tokens carry these roles, present ones end. given: user, roles, key, access_changed
if redis.call('EXISTS', LOADED) == 0 then return answer('not_loaded') end
local done = remembered(given.key)
if done then return done end
redis.call('HSET', user_key(given.user), 'roles', given.roles)
local version = raise_version(given.user)
return remember(given.key, DAY, answer('set', tell_gateways(given.user, { version = version })))
