"""Risk controls as administrators set them: limits, kill switches, restricted symbols, and which firm is whose."""

from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from services.risk_manager.limits import FIRM_LIMITS, Limits, blocked, check_alone, limit_names, restricted
from shared.contracts.operations import Refused
from shared.contracts.risk import Controls, RiskCheck, Scope


class Subject(NamedTuple):
    """For whom something is set: an account, a firm, or all."""

    scope: Scope
    id: int


EVERYBODY = Subject(Scope.ALL, 0)


@dataclass(frozen=True, slots=True)
class StoredControls:
    """What is set, as the tables have it. Limits are only those that differ from the defaults."""

    limits: dict[Subject, dict[str, int]] = field(default_factory=dict)
    blocked: frozenset[Subject] = frozenset()
    restricted: dict[Subject, tuple[str, ...]] = field(default_factory=dict)
    firms: dict[int, str] = field(default_factory=dict)
    memberships: dict[int, int] = field(default_factory=dict)
    """Account -> firm, 0 for one that left."""


@dataclass(frozen=True, slots=True)
class Profile:
    """All that an account's orders are held against."""

    limits: Limits
    packed: tuple[int, ...]
    firm_id: int
    firm_limits: Limits | None
    firm_packed: tuple[int, ...]
    blocked: Refused | None
    restricted: dict[str, Refused]

    def fault(self, order: RiskCheck) -> Refused | None:
        """Why an order is refused whatever else its account has open, None if it is not."""
        if self.blocked is not None:
            return self.blocked
        if order.symbol in self.restricted:
            return self.restricted[order.symbol]
        fault = check_alone(order, self.limits)
        if fault is None and self.firm_limits is not None:
            fault = check_alone(order, self.firm_limits, Scope.FIRM)
        return fault


class RiskControls:
    """What is in force: the stored controls over the defaults."""

    def __init__(self, stored: StoredControls, defaults: Limits) -> None:
        self.stored = stored
        self._defaults = {Scope.ACCOUNT: defaults, Scope.FIRM: FIRM_LIMITS}
        self._profiles: dict[int, Profile] = {}

    def profile(self, account_id: int) -> Profile:
        """What this account's orders are held against, made once and kept."""
        profile = self._profiles.get(account_id)
        if profile is None:
            profile = self._profiles[account_id] = self._profile(account_id)
        return profile

    def controls(self, subject: Subject) -> Controls:
        """What is in force for an account, a firm, or all."""
        stored, (scope, number) = self.stored, subject
        accounts = [number] if scope is Scope.ACCOUNT else []
        if scope is Scope.FIRM:
            accounts = sorted(account for account, firm in stored.memberships.items() if firm == number)
        limits = self._limits(subject) if scope is not Scope.ALL else None
        return Controls(
            scope=scope,
            id=number,
            limits={name: getattr(limits, name) for name in limit_names(scope)} if limits is not None else {},
            blocked=subject in stored.blocked,
            restricted_symbols=stored.restricted.get(subject, ()),
            accounts={account: self._blocked(account) is not None for account in accounts},
            firm_id=stored.memberships.get(number, 0) if scope is Scope.ACCOUNT else 0,
            name=stored.firms.get(number, "") if scope is Scope.FIRM else "",
        )

    def firms(self) -> tuple[Controls, ...]:
        """All firms, by name."""
        ordered = sorted(self.stored.firms.items(), key=lambda item: item[1])
        return tuple(self.controls(Subject(Scope.FIRM, firm_id)) for firm_id, _ in ordered)

    def _limits(self, subject: Subject) -> Limits:
        own = self.stored.limits.get(subject, {})
        return msgspec.structs.replace(self._defaults[subject.scope], **own)

    def _subjects(self, account_id: int) -> list[Subject]:
        """The account and, where it has one, its firm."""
        firm_id = self.stored.memberships.get(account_id, 0)
        account = Subject(Scope.ACCOUNT, account_id)
        return [account, Subject(Scope.FIRM, firm_id)] if firm_id else [account]

    def _blocked(self, account_id: int) -> Refused | None:
        for subject in self._subjects(account_id):
            if subject in self.stored.blocked:
                return blocked(subject.scope)
        return None

    def _profile(self, account_id: int) -> Profile:
        limits, *of_firm = [self._limits(subject) for subject in self._subjects(account_id)]
        firm_limits = of_firm[0] if of_firm else None
        return Profile(
            limits=limits,
            packed=limits.packed(),
            firm_id=self.stored.memberships.get(account_id, 0),
            firm_limits=firm_limits,
            firm_packed=firm_limits.packed() if firm_limits is not None else (),
            blocked=self._blocked(account_id),
            restricted={
                symbol: restricted(symbol, subject.scope)
                for subject in (*self._subjects(account_id), EVERYBODY)
                for symbol in self.stored.restricted.get(subject, ())
            },
        )
