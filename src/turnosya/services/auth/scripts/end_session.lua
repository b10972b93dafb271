-- Ends one session of a user. given: user, session, own, why, access_changed, sessions_ended
if redis.call('EXISTS', LOADED) == 0 then return answer('not_loaded') end
if not end_session(given.user, given.session, given.why) then
  -- A token proves the session it came with, even one that a store which was lost does not know.
  if not given.own then return answer('unknown') end
  remember_ended(given.session)
end
tell(given.sessions_ended, given.user, { user_id = given.user, session_ids = { given.session } })
return answer('ended', tell_gateways(given.user, { ended_session_ids = { given.session } }))
