-- KEYS: verdict, trouble, lease
-- ARGV: fence, lease in milliseconds, 1 for trouble or 0, pause in milliseconds, data
-- Returns 1 if the answer is stored.

-- The time is read first. Before Redis 7.2 the clock runs on during a script. What passes
-- between two commands must make the age longer, not shorter.
local time = redis.call('TIME')
local left = redis.call('PTTL', KEYS[3])
if left <= 0 or redis.call('GETRANGE', KEYS[3], 0, 63) ~= ARGV[1] .. ' ' .. ARGV[2] then
  return 0
end
local age = tonumber(ARGV[2]) - left
redis.call('DEL', KEYS[3])
if age < 0 then -- the clock of the server was set back: the age is unknown
  return 0
end
local key = KEYS[1]
if ARGV[3] == '1' then
  key = KEYS[2]
else
  redis.call('DEL', KEYS[2])
end
local granted = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) - age
redis.call('SET', key, ARGV[1] .. ' ' .. ARGV[4] .. ' ' .. ARGV[5], 'PXAT', integer(granted + retention))
return 1
