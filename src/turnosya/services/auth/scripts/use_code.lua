-- Uses up a code for another service. given: id, purpose, digest, key
local done = remembered(given.key)
if done then return done end
local verdict = try_code(given.id, given.purpose, given.digest)
return remember(given.key, 10 * MINUTE, answer(verdict))
