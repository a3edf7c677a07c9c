-- Ids below 1,000 belong to the exchange itself.
CREATE TABLE users (
    user_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (START WITH 1000),
    username_key text NOT NULL UNIQUE,
    username text NOT NULL,
    password_hash text NOT NULL,
    email text NOT NULL,
    roles text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE revoked_tokens (
    jti uuid PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX revoked_tokens_expires_at ON revoked_tokens (expires_at);
