"""Rooms in the database: one role and one schema for each service, closed to all others.

Runs through `psql` of the embedded PostgreSQL's wheel, so that the launcher needs no driver of its own. Passwords reach
the server as SCRAM verifiers only (RFC 5802, as PostgreSQL stores them): no statement, and so no log, ever holds one.
"""

import base64
import hashlib
import hmac
import os
import subprocess
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from outcry.postgres import binary

SCRAM_ITERATIONS = 4096


def create_database(server_url: str, database: str) -> None:
    """Make the database unless it is there, open to nobody but those whom `create_rooms` lets in.

    `server_url` leads to another database of the same server, as a role that may create databases.
    Raises RuntimeError with the server's words when it refuses.
    """
    name = _identifier(database)
    sql = f"""
        SELECT 'CREATE DATABASE {name}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{database}') \\gexec
        REVOKE ALL ON DATABASE {name} FROM PUBLIC;
        \\connect {name}
        REVOKE ALL ON SCHEMA public FROM PUBLIC;
    """  # noqa: S608 - names went through _identifier
    run_sql(server_url, sql)


def create_rooms(database_url: str, passwords: Mapping[str, str]) -> None:
    """Make the role and the schema of each service in the database of `database_url`, which must be an administrator's.

    `passwords` goes from snake-case service name, which becomes the name of role and schema, to that role's password.
    May be run again at any time: it sets what is there to what is asked for.
    Raises RuntimeError with the server's words when it refuses.
    """
    run_sql(database_url, "".join(_room(name, password) for name, password in passwords.items()))


def create_reader(database_url: str, role: str, password: str, schemas: Iterable[str]) -> None:
    """Make a role that may read everything in these schemas, now and later, and nothing more.

    Raises RuntimeError with the server's words when it refuses.
    """
    name = _identifier(role)
    rights = "".join(
        f"""
        GRANT USAGE ON SCHEMA {owner} TO {name};
        GRANT SELECT ON ALL TABLES IN SCHEMA {owner} TO {name};
        ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {owner} GRANT SELECT ON TABLES TO {name};
        """
        for owner in map(_identifier, schemas)
    )
    run_sql(database_url, _login(role, password) + rights)


def role_url(database_url: str, role: str, password: str) -> str:
    """The same database seen by another role. Contains the password: not for logs."""
    parts = urlsplit(database_url)
    _, _, address = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{quote(role, safe='')}:{quote(password, safe='')}@{address}"))


def run_sql(database_url: str, sql: str) -> str:
    """Run a psql script at the database and answer what it prints. RuntimeError when any statement fails."""
    parts = urlsplit(database_url)
    password = parts.password or ""
    user, _, address = parts.netloc.rpartition("@")
    bare_url = urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}@{address}" if user else address))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    if password:
        # Not on the command line: everybody may read that, the environment is private to the user.
        environment["PGPASSWORD"] = unquote(password)
    environment |= {"PGCONNECT_TIMEOUT": "10", "PGAPPNAME": "outcry"}
    command = [str(binary("psql")), "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-d", bare_url]
    done = subprocess.run(command, input=sql, capture_output=True, text=True, env=environment, check=False)  # noqa: S603
    if done.returncode != 0:
        raise RuntimeError(f"PostgreSQL refused: {done.stderr.strip()}")
    return done.stdout


def scram_verifier(password: str) -> str:
    """What PostgreSQL stores for a password: iterations, salt, StoredKey and ServerKey of RFC 5802."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, SCRAM_ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    salt_text, stored_text, server_text = (base64.b64encode(part).decode() for part in (salt, stored_key, server_key))
    return f"SCRAM-SHA-256${SCRAM_ITERATIONS}:{salt_text}${stored_text}:{server_text}"


def _room(service: str, password: str) -> str:
    name = _identifier(service)
    return f"""{_login(service, password)}
        SELECT 'GRANT {name} TO CURRENT_USER' FROM pg_roles WHERE rolname = current_user AND NOT rolsuper \\gexec
        SELECT format('GRANT TEMPORARY ON DATABASE %I TO {name}', current_database()) \\gexec
        SELECT format('ALTER ROLE {name} IN DATABASE %I SET search_path = {name}', current_database()) \\gexec
        CREATE SCHEMA IF NOT EXISTS {name} AUTHORIZATION {name};
        REVOKE ALL ON SCHEMA {name} FROM PUBLIC;
    """  # noqa: S608 - names went through _identifier


def _login(role: str, password: str) -> str:
    name = _identifier(role)
    return f"""
        SELECT 'CREATE ROLE {name}' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') \\gexec
        ALTER ROLE {name} LOGIN PASSWORD '{scram_verifier(password)}';
        SELECT format('GRANT CONNECT ON DATABASE %I TO {name}', current_database()) \\gexec
    """  # noqa: S608 - names went through _identifier


def _identifier(name: str) -> str:
    """The name quoted for SQL; only plain names are let through, since some statements take them as text too."""
    if not name.isascii() or not name.replace("_", "").replace("-", "").isalnum():
        raise ValueError(f"not a plain name for a role, schema or database: {name!r}")
    return f'"{name}"'
