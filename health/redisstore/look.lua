-- KEYS: verdict, trouble, lease, replicas in even windows, replicas in odd windows
-- ARGV: replica, lease in milliseconds, due in milliseconds, floor
-- Returns the fence, age and data of the verdict, the fence, age, pause and data of the trouble,
-- the fence of the granted lease, the milliseconds of the lease that is held, and the replicas.
local lease, due, floor = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local seconds, micros = tonumber(time[1]), tonumber(time[2])

-- The replicas of the last window are counted too, because the current one has just begun or not
-- every replica has looked in it yet. Its key expires when the next window of its kind begins.
local number = math.floor(seconds * 1000 / window)
local current = KEYS[4 + number % 2]
if redis.call('PFADD', current, ARGV[1]) == 1 then
  redis.call('PEXPIREAT', current, integer((number + 2) * window))
end
local replicas = math.max(redis.call('PFCOUNT', KEYS[4]), redis.call('PFCOUNT', KEYS[5]))

local vFence, vAge, _, vData = entry(KEYS[1])
local tFence, tAge, tPause, tData = entry(KEYS[2])

local wanted = lease > 0
if tFence > 0 and tFence >= floor then
  wanted = wanted and tAge >= tPause
else
  wanted = wanted and (vFence == 0 or vFence < floor or vAge >= due)
end

local granted, busy = 0, math.max(redis.call('PTTL', KEYS[3]), 0)
if busy > 0 then
  -- A lease that is held for longer than it lasts is none: the clock of the server was set back, or
  -- one that is behind took over. No replica could ask until then.
  local held = redis.pcall('GETRANGE', KEYS[3], 0, 63) -- an error if it is of another type
  local lasts = type(held) == 'string' and tonumber(string.match(held, '^%d+ (%d+)$'))
  if lasts and busy > lasts then
    busy = 0
  end
end
if wanted and busy == 0 then
  -- The microseconds of the clock make fences grow even if everything is lost. A counter would
  -- restart then, and a late answer would be stored under the lease of another replica.
  local fence = math.max(seconds * 1000000 + micros, floor, vFence, tFence) + 1
  if fence <= maxFence then
    redis.call('SET', KEYS[3], integer(fence) .. ' ' .. integer(lease), 'PX', integer(lease))
    granted = fence
  end
end

return {vFence, vAge, vData, tFence, tAge, tPause, tData, granted, busy, replicas}
