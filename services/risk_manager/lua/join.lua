-- Puts accounts into firms, or (firm '') into none: what an account counts for leaves its firm and goes to the other.
-- ARGV[1]: packed list of {user, firm}.

local NOT_SUMS = {firm = true, due = true, day = true, value = true, net = true}

local function add_to_firm(firm, fields, sign)
    local key, day = firm_key(firm), tonumber(fields.day or 0)
    for name, value in pairs(fields) do
        if not NOT_SUMS[name] then redis.call('HINCRBY', key, name, text(sign * tonumber(value))) end
    end
    -- What was traded on a day before the firm's last one is not in the firm's sum.
    if day > 0 and (sign > 0 or day == tonumber(redis.call('HGET', key, 'day') or 0)) then
        add_traded(key, day, sign * tonumber(fields.value), sign * tonumber(fields.net))
    end
end

for _, member in ipairs(cmsgpack.unpack(ARGV[1])) do
    local user, firm = unpack(member)
    local key, fields = user_key(user), {}
    if (redis.call('HGET', key, 'firm') or '') ~= firm then
        local flat = redis.call('HGETALL', key)
        for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
        if fields.firm then add_to_firm(fields.firm, fields, -1) end
        if firm ~= '' then
            add_to_firm(firm, fields, 1)
            redis.call('HSET', key, 'firm', firm)
        else
            redis.call('HDEL', key, 'firm')
        end
    end
end
return redis.status_reply('OK')
