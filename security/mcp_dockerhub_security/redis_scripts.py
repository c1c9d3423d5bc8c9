"""Limits in Redis: what one call does to every window at once, on Redis's clock.

A log is a list of the times, in microseconds, of the admitted calls that are counted together, newest first. A
window of AMOUNT calls is full when the AMOUNT-th newest call is younger than the window, so one look per window is
enough, exact, and no log needs more entries than its largest window's amount.

``limits`` brings scripts for Redis too, but one per window and by the caller's clock: several windows could not be
charged together, and replicas with different clocks would count differently.

The *epoch* names what Redis remembers. It lives as long as the longest window; where it is gone while a replica
still knows of calls within that time, Redis lost its memory (a restart without persistence). Then the logs settle
for a while, so that every replica can put back what it admitted, before anything more is admitted.

Every key holds the same hash tag, so that a cluster keeps them in one place, and every key expires.
"""

from typing import Final

# Numbers become text by %.0f: Lua's own form would round a time in microseconds.
_NOW: Final = """
local time = redis.call('TIME')
local clock = tonumber(time[1]) * 1000000 + tonumber(time[2])
"""

CHARGE: Final = f"""
-- KEYS: the epoch, then one log each.
-- ARGV: the caller's epoch; 1 if the caller knows of calls; a new epoch's name; microseconds to settle; milliseconds
--   the epoch lives at least; then for each log: entries kept, milliseconds kept, how many windows, and their
--   amounts and microseconds.
-- Returns {{0}}: charged; {{1, index, microseconds}}: that window, of all in order, is full for that long;
--   {{2, epoch}}: put back what you know, then call again with this epoch; {{3, microseconds}}: settling.
{_NOW}
local epoch = redis.call('GET', KEYS[1])
if not epoch then
  local settled = 0
  if ARGV[2] == '1' then settled = clock + tonumber(ARGV[4]) end
  epoch = ARGV[3] .. ':' .. string.format('%.0f', settled)
  redis.call('SET', KEYS[1], epoch, 'PX', ARGV[5])
end
if epoch ~= ARGV[1] then return {{2, epoch}} end
local settled = tonumber(string.match(epoch, ':(%d+)$'))
if clock < settled then return {{3, settled - clock}} end

local at, window, full, wait = 6, 0, 0, 0
local times, kept, lives = {{}}, {{}}, {{}}
for key = 2, #KEYS do
  -- A clock that was set back must not make a log run backwards.
  local newest = tonumber(redis.call('LINDEX', KEYS[key], 0) or 0)
  local now = math.max(clock, newest)
  times[key], kept[key], lives[key] = now, tonumber(ARGV[at]), ARGV[at + 1]
  local count = tonumber(ARGV[at + 2])
  at = at + 3
  for _ = 1, count do
    window = window + 1
    local amount, length = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
    at = at + 2
    local oldest = redis.call('LINDEX', KEYS[key], amount - 1)
    if oldest and now - tonumber(oldest) < length then
      local left = tonumber(oldest) + length - clock
      if left > wait then full, wait = window, left end
    end
  end
end
if full > 0 then return {{1, full, wait}} end
for key = 2, #KEYS do
  redis.call('LPUSH', KEYS[key], string.format('%.0f', times[key]))
  redis.call('LTRIM', KEYS[key], 0, kept[key] - 1)
  redis.call('PEXPIRE', KEYS[key], lives[key])
end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[5]) then redis.call('PEXPIRE', KEYS[1], ARGV[5]) end
return {{0}}
"""

RESTORE: Final = f"""
-- KEYS: a log. ARGV: entries kept, milliseconds kept, then how many microseconds ago calls were made that it lacks.
{_NOW}
local times = redis.call('LRANGE', KEYS[1], 0, -1)
for index, time in ipairs(times) do times[index] = tonumber(time) end
for index = 3, #ARGV do times[#times + 1] = clock - tonumber(ARGV[index]) end
table.sort(times, function(one, other) return one > other end)
redis.call('DEL', KEYS[1])
for index = 1, math.min(#times, tonumber(ARGV[1])) do
  redis.call('RPUSH', KEYS[1], string.format('%.0f', times[index]))
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return #times
"""

STATUS: Final = f"""
-- KEYS: one log each. ARGV: for each log, how many windows, and their microseconds.
-- Returns for each window how many calls it holds, and after how many microseconds the oldest of them leaves it.
{_NOW}
local at, states = 1, {{}}
for key = 1, #KEYS do
  local now = math.max(clock, tonumber(redis.call('LINDEX', KEYS[key], 0) or 0))
  local count = tonumber(ARGV[at])
  for window = 1, count do
    local length = tonumber(ARGV[at + window])
    local low, high = 0, redis.call('LLEN', KEYS[key])
    while low < high do
      local middle = math.floor((low + high) / 2)
      if now - tonumber(redis.call('LINDEX', KEYS[key], middle)) < length then
        low = middle + 1
      else
        high = middle
      end
    end
    states[#states + 1] = low
    states[#states + 1] = low == 0 and 0 or tonumber(redis.call('LINDEX', KEYS[key], low - 1)) + length - clock
  end
  at = at + 1 + count
end
return states
"""
