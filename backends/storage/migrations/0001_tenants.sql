-- migrate:up
create extension if not exists vector;

-- Everything a caller owns belongs to a tenant; without keys there is one, `default`.
create table tenants (
    id uuid primary key default gen_random_uuid(),
    name text not null unique,
    created_at timestamptz not null default now()
);

insert into tenants (id, name) values ('00000000-0000-0000-0000-000000000000', 'default');

-- migrate:down
drop table tenants;
