-- What the scripts of the risk state share: the names of its keys, and how an order gives back what it counted for.
-- Keys are made from ids in the scripts, so this state belongs on one Valkey, not on a cluster of several.
--
-- A subject is an account or a firm; both have a hash of the same fields: buy:SYMBOL and sell:SYMBOL (shares open),
-- buy_value and sell_value (of all that is open), orders (how many are open), position:SYMBOL (bought less sold), day,
-- and of that day value (traded) and net (bought less sold); due (of the rate). A firm's are the sums of its accounts',
-- but for the rate. An account's hash also has firm, where it belongs to one.

-- The last engine event that this state holds; missing means the state is lost. A state of another layout than the one
-- that the number names counts as lost.
local POSITION = 'risk-manager:state:position:2'
local ORDERS = 'risk-manager:state:orders'     -- hash: order id -> packed {user, symbol, side, price, open quantity}
local WAITING = 'risk-manager:state:waiting'   -- sorted set: reservations that no event has confirmed, by time made (us)
local BUY = 1

local function user_key(user) return 'risk-manager:state:user:' .. user end
local function firm_key(firm) return 'risk-manager:state:firm:' .. firm end
local function barred_key(order_id) return 'risk-manager:barred:' .. order_id end
local function open_field(side, symbol) return (side == BUY and 'buy:' or 'sell:') .. symbol end
local function value_field(side) return side == BUY and 'buy_value' or 'sell_value' end

-- Lua writes large numbers with an exponent, which Valkey does not take for integers, nor -0, which + 0 makes 0.
local function text(number) return string.format('%.0f', number + 0) end

-- The keys of all subjects for which a user's orders count. Nobody changes firms while a script runs.
local known_subjects = {}
local function subjects(user)
    if not known_subjects[user] then
        local firm = redis.call('HGET', user_key(user), 'firm')
        known_subjects[user] = firm and {user_key(user), firm_key(firm)} or {user_key(user)}
    end
    return known_subjects[user]
end

-- Counts what was traded on a day. What is of an earlier day than the last one known is over.
local function add_traded(key, day, value, net)
    local last = tonumber(redis.call('HGET', key, 'day') or 0)
    if day > last then
        redis.call('HSET', key, 'day', text(day), 'value', text(value), 'net', text(net))
    elseif day == last then
        redis.call('HINCRBY', key, 'value', text(value))
        redis.call('HINCRBY', key, 'net', text(net))
    end
end

-- Calls with the items of a list as arguments, as many at once as Lua's stack surely takes.
local PART = 1000
local function in_parts(list, call)
    for first = 1, #list, PART do call(unpack(list, first, math.min(first + PART - 1, #list))) end
end

-- The stored record of each of these orders, by id; none where there is none.
local function records_of(order_ids)
    local records = {}
    in_parts(order_ids, function(...)
        local asked, stored = {...}, redis.call('HMGET', ORDERS, ...)
        for i = 1, #asked do records[asked[i]] = stored[i] or nil end
    end)
    return records
end

-- What a script changes is added up here and written once, by ``write``: each call costs more than the sum in it.
local added, order_records, orders_gone = {}, {}, {}

local function add(key, field, amount)
    local fields = added[key]
    if not fields then
        fields = {}
        added[key] = fields
    end
    fields[field] = (fields[field] or 0) + amount
end

local function write()
    for key, fields in pairs(added) do
        for field, amount in pairs(fields) do
            if amount ~= 0 then redis.call('HINCRBY', key, field, text(amount)) end
        end
    end
    in_parts(order_records, function(...) redis.call('HSET', ORDERS, ...) end)
    in_parts(orders_gone, function(...) redis.call('HDEL', ORDERS, ...) end)
end

-- Sets what an order has open, and at which price (0: at the one it had), and counts the difference for its subjects.
-- An order with nothing open is forgotten. Each order at most once in a script, which ends with ``write``.
local function set_open(order_id, record, open, new_price)
    local user, symbol, side, price, before = record[1], record[2], record[3], record[4], record[5]
    local was = price
    if new_price > 0 then price = new_price end
    for _, key in ipairs(subjects(user)) do
        if before ~= open then add(key, open_field(side, symbol), open - before) end
        if open * price ~= before * was then add(key, value_field(side), open * price - before * was) end
        if open == 0 then add(key, 'orders', -1) end
    end
    if open == 0 then
        orders_gone[#orders_gone + 1] = order_id
    elseif before ~= open or price ~= was then
        order_records[#order_records + 1] = order_id
        order_records[#order_records + 1] = cmsgpack.pack({user, symbol, side, price, open})
    end
end
