-- Judges a batch of orders by what their accounts have open and have traded, and counts those that pass.
-- ARGV[1]: now (us). ARGV[2]: today (days since 1970, UTC). ARGV[3]: the quotes' key. ARGV[4]: packed list of orders
-- {order id, user, symbol, side, is limit order, price, quantity, value, reference price, limits, amended from}, limits =
-- {position, daily value, collar percent, open orders, orders per second}. An open order that is to be amended from one
-- quantity to another is judged by what it adds, and does not count for more before the engine has amended it.
-- Answers three numbers per order: verdict (limits.Verdict), limit, value; or nothing at all when the state is lost.

if redis.call('EXISTS', POSITION) == 0 then return {} end
local now, today, quotes_key = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local SECOND_US = 1000000
local references = {}

local function reference_price(symbol, fallback)
    if references[symbol] then return references[symbol] end
    local reference = fallback
    local stored = redis.call('HGET', quotes_key, symbol)
    if stored then
        local quote = cjson.decode(stored)
        if quote.last > 0 then
            reference = quote.last
        elseif quote.bid > 0 and quote.ask > 0 then
            reference = math.floor((quote.bid + quote.ask) / 2)
        end
    end
    references[symbol] = reference
    return reference
end

local function check(order)
    local order_id, user, symbol, side, is_limit, price, quantity, value, fallback, limits, before = unpack(order)
    local record = redis.call('HGET', ORDERS, order_id)
    -- Counted already; or, to be amended, gone already, which the engine will say.
    if (before == 0) == (record and true or false) then return 0, 0, 0 end
    if redis.call('EXISTS', barred_key(order_id)) == 1 then return 1, 0, 0 end
    local position_limit, daily_limit, collar_percent, orders_limit, rate_limit = unpack(limits)

    if is_limit then
        local reference = reference_price(symbol, fallback)
        local distance = math.floor(reference * collar_percent / 100)
        if price > reference + distance then return 2, reference + distance, price end
        if price < reference - distance then return 2, reference - distance, price end
    end

    local key, open = user_key(user), open_field(side, symbol)
    local stored = redis.call('HMGET', key, open, 'position:' .. symbol, 'open_value', 'day', 'value', 'orders', 'due')
    local open_quantity, position = tonumber(stored[1] or 0), tonumber(stored[2] or 0)
    local open_value, orders, due = tonumber(stored[3] or 0), tonumber(stored[6] or 0), tonumber(stored[7] or 0)
    local traded = stored[4] == today and tonumber(stored[5]) or 0
    local more, more_value, more_orders = quantity, value, 1
    if before > 0 then
        local amended = cmsgpack.unpack(record)
        more, more_orders = quantity - before, 0
        more_value = price * math.max(amended[5] + more, 0) - amended[4] * amended[5]
    end

    if side == BUY and more > 0 and position + open_quantity + more > position_limit then
        return 3, position_limit, position + open_quantity + more
    end
    if more_value > 0 and traded + open_value + more_value > daily_limit then
        return 4, daily_limit, traded + open_value + more_value
    end
    if orders + more_orders > orders_limit then return 5, orders_limit, orders + more_orders end
    -- Each order makes the next one due a little later; who is a whole second ahead of that has to wait (GCRA).
    due = math.max(due, now) + SECOND_US / rate_limit
    if due - now > SECOND_US then return 6, rate_limit, rate_limit + 1 end

    if before > 0 then
        redis.call('HSET', key, 'due', text(due))
        return 0, 0, 0
    end
    redis.call('HSET', key, open, text(open_quantity + quantity), 'open_value', text(open_value + value),
        'orders', text(orders + 1), 'due', text(due))
    redis.call('HSET', ORDERS, order_id, cmsgpack.pack({user, symbol, side, price, quantity}))
    redis.call('ZADD', WAITING, ARGV[1], order_id)
    return 0, 0, 0
end

local answers = {}
for _, order in ipairs(cmsgpack.unpack(ARGV[4])) do
    local verdict, limit, value = check(order)
    answers[#answers + 1] = verdict
    answers[#answers + 1] = limit
    answers[#answers + 1] = value
end
return answers
