create view public.order_list as select * from public.orders;
create or replace view crm.orders with (security_invoker = true) as
select id, client_id, order_number, product, status, total, currency, ordered_at from public.order_list;

-- mend
alter view public.order_list set (security_invoker = true);
