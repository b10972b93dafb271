-- Ends every session of a user, or all but one. given: user, keep, why, key, access_changed, sessions_ended
if redis.call('EXISTS', LOADED) == 0 then return answer('not_loaded') end
local done = remembered(given.key)
if done then return done end
local change = end_access(given.user, given.why, { keep = given.keep })
return remember(given.key, DAY, answer('ended', change))
