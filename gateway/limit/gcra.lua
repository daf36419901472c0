-- gcra.lua: all limits of one request in one question.
--
-- KEYS    one counter each: ticks since 2026 at which its allowance is full again
-- ARGV    per key: charge, tolerance (ticks, an eighth of a microsecond), 1 if enforced
-- returns per key how far its number is ahead of now: n if it allows, -1 - n if it refuses
--
-- First all are looked at; only when no enforced one refuses, each that allows is
-- charged.  The clock is this server's, so the gateways' clocks do not matter.
local clock = redis.call('TIME')
local now = (clock[1] - 1767225600) * 8000000 + clock[2] * 8
local kept = redis.call('MGET', unpack(KEYS))
local full_at, next_at, answer, refused = {}, {}, {}, false

for i, key in ipairs(KEYS) do
	local charge, tolerance = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1])
	-- The same key may stand here twice: the second sees what the first will do.
	local at = next_at[key] or tonumber(kept[i] or now)
	if not at or not (at > now) then at = now end
	if at > now + tolerance then at = now + tolerance end
	full_at[i] = at
	if at + charge - now <= tolerance then
		next_at[key] = at + charge
		answer[i] = at + charge - now
	else
		answer[i] = now - at - 1
		refused = refused or ARGV[3 * i] == '1'
	end
end

if refused then
	for i = 1, #KEYS do
		if answer[i] >= 0 then answer[i] = full_at[i] - now end
	end
	return answer
end
for key, at in pairs(next_at) do
	redis.call('SET', key, string.format('%.0f', at), 'PX', math.ceil((at - now) / 8000))
end
return answer
