-- What the scripts of the risk state share: the names of its keys, and how an order gives back what it counted for.
-- Keys are made from user ids in the scripts, so this state belongs on one Valkey, not on a cluster of several.

local POSITION = 'risk:state:position' -- the last engine event that this state holds; missing means the state is lost
local ORDERS = 'risk:state:orders'     -- hash: order id -> packed {user, symbol, side, price, open quantity}
local WAITING = 'risk:state:waiting'   -- sorted set: reservations that no event has confirmed, by time made (us)
local BUY = 1

local function user_key(user) return 'risk:state:user:' .. user end
local function barred_key(order_id) return 'risk:barred:' .. order_id end
local function open_field(side, symbol) return (side == BUY and 'buy:' or 'sell:') .. symbol end

-- Lua writes large numbers with an exponent, which Valkey does not take for integers.
local function text(number) return string.format('%.0f', number) end

-- Sets what an order has open, and at which price (0: at the one it had), and counts the difference for its user.
-- An order with nothing open is forgotten.
local function set_open(order_id, record, open, new_price)
    local user, symbol, side, price, before = record[1], record[2], record[3], record[4], record[5]
    local key, was = user_key(user), price
    if new_price > 0 then price = new_price end
    if before ~= open then redis.call('HINCRBY', key, open_field(side, symbol), text(open - before)) end
    if open * price ~= before * was then
        redis.call('HINCRBY', key, 'open_value', text(open * price - before * was))
    end
    if open == 0 then
        redis.call('HINCRBY', key, 'orders', -1)
        redis.call('HDEL', ORDERS, order_id)
    elseif before ~= open or price ~= was then
        redis.call('HSET', ORDERS, order_id, cmsgpack.pack({user, symbol, side, price, open}))
    end
end
