"""Tracing written into FastAPI sources, and taken out again, without touching anything else in them.

Every line that is added carries ``MARK``, which is how it is found again. ``return FastAPI(...)`` becomes an assignment
with two marked lines after it, and ``return`` again when these are taken out.
"""

from collections.abc import Sequence
from typing import NamedTuple

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider, QualifiedNameProvider

MARK = "# added by add_tracing"
IMPORT = "from shared.tracing import instrument_fastapi, setup_tracing"
APPS = frozenset({"fastapi.FastAPI", "fastapi.applications.FastAPI"})
OFFICIAL = "FastAPIInstrumentor"
RETURNED = "app"
"""The name that an app gets which is returned without one."""


class Missed(NamedTuple):
    """An app that could not be traced: where, and why not."""

    line: int
    why: str


class Change(NamedTuple):
    """A source after the change, equal to the one before where there was nothing to do."""

    source: str
    placed: int
    missed: Sequence[Missed]


def add(source: str, service: str) -> Change:
    """Traces every app in a source. Raises libcst.ParserSyntaxError for what is no Python."""
    module = cst.parse_module(source)
    if any(name in source for name in ("instrument_fastapi", "setup_tracing")):
        return Change(source, 0, ())
    adder = _Adder(service)
    changed = MetadataWrapper(module).visit(adder)
    if OFFICIAL in source:
        return Change(source, 0, adder.all_missed(f"{OFFICIAL} traces it already: take that out, and run this again"))
    if adder.placed:
        changed = changed.with_changes(body=_with_import(changed.body))
    return Change(changed.code, adder.placed, adder.missed())


def remove(source: str) -> Change:
    """Takes out what ``add`` put in, and nothing else."""
    if MARK not in source:
        return Change(source, 0, ())
    remover = _Remover()
    changed = cst.parse_module(source).visit(remover)
    return Change(changed.code, remover.removed, ())


class _Adder(cst.CSTTransformer):
    METADATA_DEPENDENCIES = (QualifiedNameProvider, PositionProvider)

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service
        self._apps = set(APPS)
        self._calls: dict[cst.BaseExpression, int] = {}
        self._handled: set[cst.BaseExpression] = set()
        self._set_up = [False]
        self.placed = 0

    def missed(self) -> list[Missed]:
        """The apps for which no line could be found."""
        why = "the app has no name of its own here: give it one, on a line of its own"
        return [Missed(line, why) for call, line in self._calls.items() if call not in self._handled]

    def all_missed(self, why: str) -> list[Missed]:
        """The apps, none of which is to be traced."""
        return [Missed(line, why) for line in self._calls.values()]

    def visit_ClassDef(self, node: cst.ClassDef) -> None:  # noqa: N802 - libcst's name
        if any(self._is_app(base.value) for base in node.bases):
            self._apps.add(node.name.value)

    def visit_Call(self, node: cst.Call) -> None:  # noqa: N802
        if self._is_app(node.func):
            self._calls[node] = self.get_metadata(PositionProvider, node).start.line

    def visit_IndentedBlock(self, node: cst.IndentedBlock) -> None:  # noqa: N802
        self._set_up.append(False)

    def leave_IndentedBlock(  # noqa: N802
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.IndentedBlock:
        self._set_up.pop()
        return updated_node

    def leave_SimpleStatementLine(  # noqa: N802
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.FlattenSentinel[cst.SimpleStatementLine]:
        last = original_node.body[-1]
        if isinstance(last, cst.Return) and self._makes_app(last.value):
            self._place(last.value)
            value = cst.ensure_type(updated_node.body[-1], cst.Return).value
            assert value is not None
            assign = cst.Assign([cst.AssignTarget(cst.Name(RETURNED))], value)
            made = updated_node.with_changes(body=[*updated_node.body[:-1], assign])
            return self._around(made, _marked(f"instrument_fastapi({RETURNED})"), _marked(f"return {RETURNED}"))
        after = []
        for statement in original_node.body:
            value, target = _assigned(statement)
            if target is not None and self._makes_app(value):
                self._place(value)
                after.append(_marked(f"instrument_fastapi({cst.Module([]).code_for_node(target)})"))
        return self._around(updated_node, *after) if after else updated_node

    def _is_app(self, node: cst.BaseExpression) -> bool:
        """Whether this names FastAPI, or a class made of it in the same file."""
        return any(name.name in self._apps for name in self.get_metadata(QualifiedNameProvider, node, set()))

    def _makes_app(self, value: cst.BaseExpression | None) -> bool:
        """Whether a value is a new app, one way or the other."""
        if isinstance(value, cst.IfExp):
            return self._makes_app(value.body) and self._makes_app(value.orelse)
        return value in self._calls

    def _place(self, value: cst.BaseExpression | None) -> None:
        assert value is not None
        self._handled |= {value.body, value.orelse} if isinstance(value, cst.IfExp) else {value}
        self.placed += 1

    def _around(
        self, made: cst.SimpleStatementLine, *after: cst.SimpleStatementLine
    ) -> cst.FlattenSentinel[cst.SimpleStatementLine]:
        """The statement between its new lines; tracing is set up once in a block. Comments above stay above."""
        if self._set_up[-1]:
            return cst.FlattenSentinel([made, *after])
        self._set_up[-1] = True
        setup = _marked(f'setup_tracing("{self._service}")').with_changes(leading_lines=made.leading_lines)
        return cst.FlattenSentinel([setup, made.with_changes(leading_lines=()), *after])


class _Remover(cst.CSTTransformer):
    def __init__(self) -> None:
        super().__init__()
        self.removed = 0

    def leave_Module(self, original_node: cst.Module, updated_node: cst.Module) -> cst.Module:  # noqa: N802
        return updated_node.with_changes(body=self._cleaned(updated_node.body))

    def leave_IndentedBlock(  # noqa: N802
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.IndentedBlock:
        return updated_node.with_changes(body=self._cleaned(updated_node.body))

    def _cleaned(self, body: Sequence[cst.BaseStatement]) -> list[cst.BaseStatement]:
        kept: list[cst.BaseStatement] = []
        above: Sequence[cst.EmptyLine] = ()
        for statement in body:
            if not _is_marked(statement):
                if above:
                    statement = statement.with_changes(leading_lines=[*above, *statement.leading_lines])  # type: ignore[attr-defined]
                kept.append(statement)
                above = ()
                continue
            self.removed += 1
            line = cst.ensure_type(statement, cst.SimpleStatementLine)
            above = line.leading_lines
            if isinstance(line.body[0], cst.Return):
                kept[-1] = _returning(cst.ensure_type(kept[-1], cst.SimpleStatementLine))
        return kept


def _assigned(statement: cst.BaseSmallStatement) -> tuple[cst.BaseExpression | None, cst.BaseExpression | None]:
    """What is assigned, and the name or attribute that it is assigned to."""
    target: cst.BaseExpression
    if isinstance(statement, cst.Assign):
        target = statement.targets[0].target
    elif isinstance(statement, cst.AnnAssign):
        target = statement.target
    else:
        return None, None
    return statement.value, target if isinstance(target, cst.Name | cst.Attribute | cst.Subscript) else None


def _marked(code: str) -> cst.SimpleStatementLine:
    """A statement that says where it comes from."""
    return cst.ensure_type(cst.parse_statement(f"{code}  {MARK}"), cst.SimpleStatementLine)


def _is_marked(statement: cst.BaseStatement) -> bool:
    if not isinstance(statement, cst.SimpleStatementLine):
        return False
    comment = statement.trailing_whitespace.comment
    return comment is not None and comment.value == MARK


def _returning(assigned: cst.SimpleStatementLine) -> cst.SimpleStatementLine:
    """``app = FastAPI(...)`` as the ``return FastAPI(...)`` that it was."""
    value = cst.ensure_type(assigned.body[-1], cst.Assign).value
    return assigned.with_changes(body=[*assigned.body[:-1], cst.Return(value)])


def _with_import(body: Sequence[cst.BaseStatement]) -> list[cst.BaseStatement]:
    """The import after the last one that is above the first app."""
    place = 0
    for index, statement in enumerate(body):
        if MARK in cst.Module([]).code_for_node(statement):
            break
        if not isinstance(statement, cst.SimpleStatementLine):
            continue
        if isinstance(statement.body[0], cst.Import | cst.ImportFrom):
            place = index + 1
        elif not place and index == 0 and isinstance(statement.body[0], cst.Expr):
            place = 1  # a docstring
    return [*body[:place], _marked(IMPORT), *body[place:]]
