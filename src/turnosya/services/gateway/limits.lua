-- GCRA over several buckets at once: all are charged, or none is.
-- KEYS: one a bucket. ARGV: for each, milliseconds between two requests and the burst.
-- Answers {index of the refusing bucket or 0, milliseconds to wait, then for each: remaining, milliseconds to full}.
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local refusing, wait, arrivals, report = 0, 0, {}, {}
for i = 1, #KEYS do
  local step, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local arrival = math.max(tonumber(redis.call('GET', KEYS[i]) or '0'), now)
  local late = arrival + step - now - burst * step
  if late > 0 and late > wait then
    refusing, wait = i, late
  end
  arrivals[i] = arrival
end
for i = 1, #KEYS do
  local step, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local arrival = arrivals[i]
  if refusing == 0 then
    arrival = arrival + step
    redis.call('SET', KEYS[i], string.format('%.3f', arrival), 'PX', math.ceil(arrival - now) + 1000)
  end
  report[2 * i - 1] = math.max(0, math.floor((burst * step - (arrival - now)) / step + 0.001))
  report[2 * i] = math.ceil(math.max(0, arrival - now))
end
return {refusing, math.ceil(wait), unpack(report)}
