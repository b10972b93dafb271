-- Somebody came in who should not have: every session of the user ends, if the one that was told of lives.
-- Else nothing: an old link must not end what began since. given: user, session, access_changed, sessions_ended, noted
if redis.call('EXISTS', LOADED) == 0 then return answer('not_loaded') end
if redis.call('HEXISTS', sessions_key(given.user), given.session) == 0 then return answer('over') end
note_security('not_me', given.user, { actor_id = given.user, session_id = given.session })
return answer('ended', end_access(given.user, 'not_me', {}))
