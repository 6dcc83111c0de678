"""Addresses of PostgreSQL servers without their passwords, however they are written."""

import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelsieve.store.postgres import without_password

conninfo_to_dict = pytest.importorskip("psycopg.conninfo").conninfo_to_dict
SECRET = ("password", "sslpassword", "oauth_client_secret")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://h/db", "postgresql://h/db"),
        ("postgresql://me@h/db", "postgresql://me@h/db"),
        ("postgresql://me:secret@h/db", "postgresql://me@h/db"),
        ("postgres://me:secret@h:5432/db?sslmode=require", "postgres://me@h:5432/db?sslmode=require"),
        ("postgresql://me:sec:ret@h/db", "postgresql://me@h/db"),
        ("postgresql://me:sec@ret@h/db", "postgresql://me@h/db"),
        ("postgresql://:secret@h/db", "postgresql://h/db"),
        ("postgresql://h/db?user=me&password=secret", "postgresql://h/db?user=me"),
        ("postgresql://h/db?password=secret", "postgresql://h/db"),
        ("postgresql://me:secret@[::1]:5432/db", "postgresql://me@[::1]:5432/db"),
        ("postgresql://me:secret@one:1,two:2/db", "postgresql://me@one:1,two:2/db"),
        ("postgresql://me@h/db?application_name=a@b:c", "postgresql://me@h/db?application_name=a@b:c"),
        ("postgresql:///db?host=/tmp&%70assword=secret", "postgresql:///db?host=/tmp"),
        ("postgresql://h/db?sslkey=k&sslpassword=secret", "postgresql://h/db?sslkey=k"),
        ("postgresql://me@h/db?passfile=/home/me/.pgpass", "postgresql://me@h/db?passfile=/home/me/.pgpass"),
    ],
)
def test_only_the_password_goes(address, shown):
    assert without_password(address) == shown


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None)
@given(
    texts,
    texts,
    st.booleans(),
    st.sampled_from(["h", "h:5432", "[::1]:5432", ""]),
    st.sampled_from([{}, {"sslmode": "require"}]),
)
def test_what_is_left_is_the_same_address_for_any_name_and_password(user, password, inside, host, more):
    if inside:
        head, query = f"{quote(user, safe='')}:{quote(password, safe='')}@{host}", dict(more)
    else:
        head, query = host, {"user": user, "password": password, **more}
    parts = "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items())
    address = f"postgresql://{head}/db" + (f"?{parts}" if parts else "")
    told = conninfo_to_dict(address)
    assert told.pop("password") == password and not set(told) & set(SECRET)
    assert conninfo_to_dict(without_password(address)) == told


def test_an_address_with_its_password_in_the_query_is_refused_without_it(tmp_path):
    from labelsieve.core.errors import UserError
    from labelsieve.store.postgres import journal_of

    for address in ("postgresql://h:9/db?password=secret&connect_timeout=1", "mysql://me:sec:ret@h/db", "me:secret@h"):
        with pytest.raises(UserError) as told:
            journal_of(tmp_path, "run", address)
        assert "secret" not in str(told.value) and "sec:ret" not in str(told.value) and ":ret" not in str(told.value)
    assert not list(tmp_path.iterdir())
    (tmp_path / "journal.json").write_text(
        json.dumps({"address": "postgresql://me:secret@127.0.0.1:9/db?connect_timeout=1"})
    )
    with pytest.raises(UserError) as told:
        journal_of(tmp_path, "run")
    assert "secret" not in str(told.value)
