-- Brings the state from one engine event to a later one.
-- ARGV[1]: the event that the state must hold now; empty: whatever it holds (it is being rebuilt).
-- ARGV[2]: the event that it holds afterwards; empty: do not say yet. ARGV[3]: packed {orders, positions, values}:
-- orders {order id, user, symbol, side, price, open quantity}, positions {user, symbol, change in shares},
-- values {user, day, value traded, value bought less value sold}.
-- Answers the event that the state holds, -1 when it is lost. Nothing was changed unless that is ARGV[2].

if ARGV[1] ~= '' then
    local held = redis.call('GET', POSITION)
    if not held then return -1 end
    if held ~= ARGV[1] then return tonumber(held) end
end
local orders, positions, values = unpack(cmsgpack.unpack(ARGV[3]))

local order_ids = {}
for i, order in ipairs(orders) do order_ids[i] = order[1] end
in_parts(order_ids, function(...) redis.call('ZREM', WAITING, ...) end)
local records = records_of(order_ids)

for _, order in ipairs(orders) do
    local order_id, user, symbol, side, price, open = unpack(order)
    local stored = records[order_id]
    if stored then
        set_open(order_id, cmsgpack.unpack(stored), open, price)
    elseif open > 0 and price > 0 then
        -- Its reservation was lost with an earlier Valkey; from here on it counts again.
        for _, key in ipairs(subjects(user)) do add(key, 'orders', 1) end
        set_open(order_id, {user, symbol, side, price, 0}, open, price)
    end
end

for _, change in ipairs(positions) do
    for _, key in ipairs(subjects(change[1])) do add(key, 'position:' .. change[2], change[3]) end
end

for _, traded in ipairs(values) do
    for _, key in ipairs(subjects(traded[1])) do add_traded(key, traded[2], traded[3], traded[4]) end
end

write()
if ARGV[2] ~= '' then redis.call('SET', POSITION, ARGV[2]) end
return tonumber(ARGV[2]) or 0
