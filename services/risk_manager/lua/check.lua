-- Judges a batch of orders by what their accounts and firms have open and have traded, and counts those that pass.
-- ARGV[1]: now (us). ARGV[2]: today (days since 1970, UTC). ARGV[3]: the quotes' key. ARGV[4]: packed list of orders
-- {order id, user, symbol, side, type, price, quantity, value, amended from}. An open order that is to be amended from
-- one quantity to another is judged by what it adds, and does not count for more before the engine has amended it.
-- ARGV[5]: packed profiles by user: {limits, firm, its limits}, limits as Limits.packed has them. ARGV[6]: packed
-- reference prices by symbol.
-- Answers three numbers per order: verdict (limits.Verdict), limit, value; or nothing at all when the state is lost.

if redis.call('EXISTS', POSITION) == 0 then return {} end
local now, today, quotes_key = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local SECOND_US, UNLIMITED, EXACT_MAX = 1000000, 4e15, 2^53
local OF_FIRM = 100
local LIMIT, MARKET = 1, 2
local orders, profiles = cmsgpack.unpack(ARGV[4]), cmsgpack.unpack(ARGV[5])
local fallbacks, references = cmsgpack.unpack(ARGV[6]), {}

local function reference_price(symbol)
    if references[symbol] then return references[symbol] end
    local reference = fallbacks[symbol] or 0
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

-- What a subject has, read once. What the orders of this batch add is kept here, too, and written at the end.
local subjects_held, held_by = {}, {}
local function held_of(key)
    local held = held_by[key]
    if held then return held end
    local stored = redis.call('HMGET', key, 'buy_value', 'sell_value', 'orders', 'due', 'day', 'value', 'net', 'firm')
    local traded_today = stored[5] == today
    held = {
        key = key, buy_value = tonumber(stored[1] or 0), sell_value = tonumber(stored[2] or 0),
        orders = tonumber(stored[3] or 0), due = tonumber(stored[4] or 0),
        traded = traded_today and tonumber(stored[6]) or 0, net = traded_today and tonumber(stored[7]) or 0,
        firm = stored[8], open = {}, positions = {}, changed = {},
    }
    held_by[key], subjects_held[#subjects_held + 1] = held, held
    return held
end

-- The shares of a symbol that a subject has open on a side, and its position in it.
local function shares_of(held, field, symbol)
    if not held.open[field] then
        local stored = redis.call('HMGET', held.key, field, 'position:' .. symbol)
        held.open[field], held.positions[symbol] = tonumber(stored[1] or 0), tonumber(stored[2] or 0)
    end
    return held.open[field], held.positions[symbol]
end

-- What a subject has bought and not sold again, at reference prices.
local function holdings(key)
    local flat, sum = redis.call('HGETALL', key), 0
    for i = 1, #flat, 2 do
        local symbol, shares = string.match(flat[i], '^position:(.*)'), tonumber(flat[i + 1])
        if symbol and shares > 0 then sum = sum + shares * reference_price(symbol) end
    end
    return math.min(sum, EXACT_MAX)
end

-- Verdict, limit, value, and when the next order is due. ``more`` is what the order adds: {side, field of its open
-- shares, symbol, shares, value, orders}.
local function judge(held, limits, more)
    local position_limit, daily_limit, orders_limit, rate_limit, exposure_limit, credit_limit = unpack(limits)
    if more.side == BUY and more.shares > 0 then
        local open, position = shares_of(held, more.field, more.symbol)
        if position + open + more.shares > position_limit then
            return 3, position_limit, position + open + more.shares
        end
    end
    if more.value > 0 then
        local bought = held.buy_value + more.value
        if more.side == BUY and held.net + bought > credit_limit then return 8, credit_limit, held.net + bought end
        if more.side == BUY and exposure_limit < UNLIMITED then
            local exposure = holdings(held.key) + bought
            if exposure > exposure_limit then return 7, exposure_limit, exposure end
        end
        local daily = held.traded + bought + held.sell_value
        if daily > daily_limit then return 4, daily_limit, daily end
    end
    if held.orders + more.orders > orders_limit then return 5, orders_limit, held.orders + more.orders end
    -- Each order makes the next one due a little later; who is a whole second ahead of that has to wait (GCRA).
    local due = math.max(held.due, now) + SECOND_US / rate_limit
    if due - now > SECOND_US then return 6, rate_limit, rate_limit + 1 end
    return 0, 0, 0, math.floor(due + 0.5)
end

local function set_due(held, due)
    held.due, held.changed.due = due, due
end

local function count(held, more, due)
    local value = value_field(more.side)
    held.open[more.field] = shares_of(held, more.field, more.symbol) + more.shares
    held[value] = held[value] + more.value
    held.orders = held.orders + more.orders
    held.changed[more.field], held.changed[value], held.changed.orders = held.open[more.field], held[value], held.orders
    set_due(held, due)
end

local order_ids, barred_keys, barred, let_through, waiting = {}, {}, {}, {}, {}
for i, order in ipairs(orders) do order_ids[i], barred_keys[i] = order[1], barred_key(order[1]) end
local records = records_of(order_ids)
in_parts(barred_keys, function(...)
    for _, found in ipairs(redis.call('MGET', ...)) do barred[#barred + 1] = found end
end)

local function check(order, is_barred)
    local order_id, user, symbol, side, kind, price, quantity, value, before = unpack(order)
    local limits, firm, firm_limits = unpack(profiles[user])
    local record = records[order_id]
    -- Counted already; or, to be amended, gone already, which the engine will say.
    if (before == 0) == (record and true or false) then return 0, 0, 0 end
    if is_barred then return 1, 0, 0 end

    local collar_percent, window_ms = limits[7], limits[8]
    if kind == LIMIT then
        local reference = reference_price(symbol)
        local distance = math.floor(reference * collar_percent / 100)
        if price > reference + distance then return 2, reference + distance, price end
        if price < reference - distance then return 2, reference - distance, price end
    end
    local recent = nil
    if window_ms > 0 and before == 0 then
        -- A market order's price is what the market made of it.
        local named = kind == MARKET and 0 or price
        recent = table.concat({'risk-manager:recent', user, symbol, side, kind, text(named), text(quantity)}, ':')
        local earlier = redis.call('GET', recent)
        local age_ms = earlier and math.floor((now - tonumber(earlier)) / 1000)
        if age_ms and age_ms < window_ms then return 9, window_ms, age_ms end
    end

    local more = {
        side = side, field = open_field(side, symbol), symbol = symbol, shares = quantity, value = value, orders = 1,
    }
    if before > 0 then
        local amended = cmsgpack.unpack(record)
        more.shares, more.orders = quantity - before, 0
        more.value = price * math.max(amended[5] + more.shares, 0) - amended[4] * amended[5]
    end
    local account = held_of(user_key(user))
    local verdict, limit, figure, due = judge(account, limits, more)
    if verdict > 0 then return verdict, limit, figure end
    local of_firm, firm_due = account.firm and held_of(firm_key(account.firm)), nil
    -- While an account changes firms there may be orders that were sent with the limits of the one before.
    if of_firm and account.firm == firm then
        verdict, limit, figure, firm_due = judge(of_firm, firm_limits, more)
        if verdict > 0 then return OF_FIRM + verdict, limit, figure end
    end

    if before > 0 then
        set_due(account, due)
        if of_firm then set_due(of_firm, firm_due or of_firm.due) end
        return 0, 0, 0
    end
    count(account, more, due)
    if of_firm then count(of_firm, more, firm_due or of_firm.due) end
    records[order_id] = cmsgpack.pack({user, symbol, side, price, quantity, recent})
    let_through[#let_through + 1], let_through[#let_through + 2] = order_id, records[order_id]
    waiting[#waiting + 1], waiting[#waiting + 2] = ARGV[1], order_id
    if recent then redis.call('SET', recent, ARGV[1], 'PX', window_ms) end
    return 0, 0, 0
end

local answers = {}
for i, order in ipairs(orders) do
    local verdict, limit, value = check(order, barred[i])
    answers[#answers + 1] = verdict
    answers[#answers + 1] = limit
    answers[#answers + 1] = value
end

for _, held in ipairs(subjects_held) do
    local fields = {}
    for name, number in pairs(held.changed) do
        fields[#fields + 1] = name
        fields[#fields + 1] = text(number)
    end
    in_parts(fields, function(...) redis.call('HSET', held.key, ...) end)
end
in_parts(let_through, function(...) redis.call('HSET', ORDERS, ...) end)
in_parts(waiting, function(...) redis.call('ZADD', WAITING, ...) end)
return answers
