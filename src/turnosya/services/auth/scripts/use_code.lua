-- Uses up a code for another service. given: id, purpose, digest, key, user, noted
local done = remembered(given.key)
if done then return done end
local verdict = try_code(given.id, given.purpose, given.digest)
if verdict ~= 'good' then note_refused_code(given.id, given.user, 'otp_' .. verdict) end
return remember(given.key, 10 * MINUTE, answer(verdict))
