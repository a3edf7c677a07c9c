-- Takes reservations back, and bars their orders for a while, since the reservation may still be on its way.
-- ARGV[1]: seconds for which an order stays barred. ARGV[2]: packed list of order ids.
-- An order that the engine has told about is not touched: its events say when it is gone.

for _, order_id in ipairs(cmsgpack.unpack(ARGV[2])) do
    redis.call('SET', barred_key(order_id), '', 'EX', ARGV[1])
    if redis.call('ZREM', WAITING, order_id) == 1 then
        local stored = redis.call('HGET', ORDERS, order_id)
        if stored then
            local record = cmsgpack.unpack(stored)
            -- An order that came to nothing is none that another could be sent twice of.
            if record[6] then redis.call('DEL', record[6]) end
            set_open(order_id, record, 0, 0)
        end
    end
end
write()
return redis.status_reply('OK')
