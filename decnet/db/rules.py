"""Rule texts and states that many hosts share: each change has a number, and numbers commit in order.

A change takes its number from one row that it holds until it commits. So whoever has seen number *n* misses nothing by
asking for what is above *n*, on every database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import insert, select, update

from decnet.db.epochs import RULES, begin_epoch
from decnet.db.tables import epoch, ttp_rule, ttp_rule_audit, ttp_rule_state
from decnet.models.rule_state import RuleState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

_STATE = ("mode", "confidence_max", "expires_at", "reason", "set_by", "set_at")


class StoredRule(NamedTuple):
    """The text of a rule, None once it was deleted, and the number of its last change."""

    rule_id: str
    text: str | None
    number: int


class StoredState(NamedTuple):
    """The state that a rule was given, and the number of that change."""

    rule_id: str
    state: RuleState
    number: int


def newest_number(connection: Connection) -> int:
    """The number of the last change of a text or a state; 0 before the first."""
    found: int = connection.execute(select(epoch.c.value).where(epoch.c.name == RULES)).scalar_one()
    return found


def holds_rule(connection: Connection, rule_id: str) -> bool:
    """Whether there is a rule of that id that was not deleted."""
    row = ttp_rule.c
    query = select(row.rule_id).where(row.rule_id == rule_id, row.text.is_not(None))
    return connection.execute(query).first() is not None


def rules_after(connection: Connection, number: int) -> list[StoredRule]:
    """The rules that changed after ``number``, deleted ones among them, by id."""
    row = ttp_rule.c
    query = select(row.rule_id, row.text, row.number).where(row.number > number).order_by(row.rule_id)
    return [StoredRule(*found) for found in connection.execute(query)]


def states_after(connection: Connection, number: int) -> list[StoredState]:
    """The states that changed after ``number``, by rule."""
    row = ttp_rule_state.c
    columns = (row[name] for name in _STATE)
    query = select(row.rule_id, row.number, *columns).where(row.number > number).order_by(row.rule_id)
    return [StoredState(rule, RuleState(*state), at) for rule, at, *state in connection.execute(query)]


def write_rules(connection: Connection, texts: Mapping[str, str | None]) -> int:
    """Store new texts by rule id (None deletes) as one change each; returns how many were not so stored already."""
    _hold_turn(connection)
    row = ttp_rule.c
    # no more rows than needed: each one that SQLite gives waits for whatever else this process computes
    query = select(row.rule_id, row.text).where(row.rule_id.in_(texts))
    stored: dict[str, str | None] = dict(connection.execute(query).all())
    changed = [(rule, text) for rule, text in sorted(texts.items()) if stored.get(rule) != text]
    for rule, text in changed:
        _put(connection, ttp_rule, rule, {"text": text, "number": _next_number(connection)})
    return len(changed)


def write_state(connection: Connection, rule_id: str, state: RuleState) -> None:
    """Give ``rule_id`` that state, and put the change into the audit trail."""
    _hold_turn(connection)
    values = {name: getattr(state, name) for name in _STATE}
    _put(connection, ttp_rule_state, rule_id, values | {"number": _next_number(connection)})
    connection.execute(insert(ttp_rule_audit), {"rule_id": rule_id, **values})


def settle_states(connection: Connection, now: int) -> int:
    """Write down states that have expired as the enabled ones that they became; returns their number.

    Of many hosts that notice at once, the first one writes.
    """
    _hold_turn(connection)
    ended = [
        (stored.rule_id, stored.state.in_force(now))
        for stored in states_after(connection, 0)
        if stored.state.in_force(now) is not stored.state
    ]
    for rule_id, state in ended:
        write_state(connection, rule_id, state)
    return len(ended)


def state_history(connection: Connection, rule_id: str | None = None) -> Sequence[tuple[str, RuleState]]:
    """The audit trail, oldest first: of one rule, or of all."""
    row = ttp_rule_audit.c
    query = select(row.rule_id, *(row[name] for name in _STATE)).order_by(row.id)
    if rule_id is not None:
        query = query.where(row.rule_id == rule_id)
    return [(rule, RuleState(*state)) for rule, *state in connection.execute(query)]


def _hold_turn(connection: Connection) -> None:
    """Whoever changes rules does so alone until the transaction ends."""
    begin_epoch(connection, RULES)


def _next_number(connection: Connection) -> int:
    connection.execute(update(epoch).where(epoch.c.name == RULES).values(value=epoch.c.value + 1))
    return newest_number(connection)


def _put(connection: Connection, table: Table, rule_id: str, values: Mapping[str, object]) -> None:
    """Replace the row of a rule, NULL by NULL; the caller holds the turn."""
    done = connection.execute(update(table).where(table.c.rule_id == rule_id).values(**values))
    if not done.rowcount:
        connection.execute(insert(table), {"rule_id": rule_id, **values})
