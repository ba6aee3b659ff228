-- Shared by the scripts. The Go code puts these constants in front:
-- retention, window and maxPause in milliseconds, maxData in bytes, maxFence.

-- integer writes a number with all its digits: tostring writes only 14 of them.
local function integer(n)
  return string.format('%.0f', n)
end

-- entry returns the fence, age, pause and data of a stored answer, with the fence 0 if there is
-- none. What this package has not written is none, too. So is an entry that is stored for longer
-- than the retention: the clock of the server was set back, and the age is unknown.
local function entry(key)
  local value = redis.call('GETRANGE', key, 0, maxData + 64) -- a foreign value may be large
  local left = redis.call('PTTL', key)
  local fence, pause, start = string.match(value, '^(%d+) (%d+) ()')
  fence, pause = tonumber(fence), tonumber(pause)
  if not fence or fence > maxFence or pause > maxPause
      or #value - start + 1 > maxData or left < 0 or left > retention then
    return 0, 0, 0, ''
  end
  -- Redis counts whole milliseconds. One more keeps the age from being too short.
  return fence, retention - left + 1, pause, string.sub(value, start)
end
