-- Ends one session of a user. given: user, session, why, access_changed
if redis.call('EXISTS', LOADED) == 0 then return answer('not_loaded') end
if not end_session(given.user, given.session, given.why) then return answer('unknown') end
tell(given.access_changed, given.user, { user_id = given.user, ended_session_ids = { given.session } })
return answer('ended', { user_id = given.user, ended_session_ids = { given.session } })
