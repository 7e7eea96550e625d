-- migrate:up

-- Chat completions that were asked for with `store: true`. What was said is `json`: kept as it was
-- said, character for character (jsonb refuses \u0000). Only `metadata` is searched.
create table chat_completions (
    tenant_id uuid not null references tenants,
    id text collate "C" not null,
    created_at timestamptz not null,
    model text not null,
    metadata jsonb not null default '{}',
    completion json not null,
    messages json not null,
    primary key (tenant_id, id)
);

create index chat_completions_in_order on chat_completions (tenant_id, created_at, id);
create index chat_completions_by_model on chat_completions (tenant_id, model, created_at, id);
create index chat_completions_by_metadata on chat_completions using gin (metadata jsonb_path_ops);

-- migrate:down
drop table chat_completions;
