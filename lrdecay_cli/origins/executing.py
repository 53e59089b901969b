"""Evaluate the statements of a config without running the config."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from lrdecay_cli.origins.evaluating import Evaluator, bind
from lrdecay_cli.origins.nodes import MAPPINGS, Node, Slot, Unknowable, as_plain, hooked, put, unknown
from lrdecay_cli.origins.operations import Value, binary, iterated
from lrdecay_cli.origins.sources import Span

_MOST_ROUNDS = 20_000


class _BreakLoop(Exception):  # noqa: N818
    pass


class _ContinueLoop(Exception):  # noqa: N818
    pass


class Executor(Evaluator):
    """Evaluate the statements of one config file. Afterwards ``names`` contains the values of its variables."""

    rounds = 0

    def run(self, statements: Iterable[ast.stmt]) -> None:
        """Evaluate statements in order.

        If a statement cannot be evaluated, the values that it may change are unknown afterwards.
        """
        for statement in statements:
            try:
                self._run(statement)
            except Unknowable as reason:  # noqa: PERF203 (statements are few)
                self.forget_changed(statement, str(reason))
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                self.forget_changed(statement, f"the statement raises {type(error).__name__}")

    def _run(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Assign(targets=targets, value=expression):
                value = self.value(expression)
                for target in targets:
                    self._assign(target, value)
            case ast.AnnAssign(target=target, value=expression):
                if expression is not None:
                    self._assign(target, self.value(expression))
            case ast.AugAssign():
                self._augment(statement)
            case ast.Expr(value=expression):
                value = self.value(expression)
                if value.node.kind == "unknown" and not isinstance(expression, ast.Call):
                    raise Unknowable(value.node.data)
            case ast.Delete(targets=targets):
                for target in targets:
                    self._delete(target)
            case ast.If(test=test, body=body, orelse=otherwise):
                self.run_inside(body if self.truth(test) else otherwise)
            case ast.For():
                self._loop(statement)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                kind: Any = "object" if isinstance(statement, ast.ClassDef) else "function"
                self.names[name] = Slot(
                    Node(kind, name if kind == "object" else statement, self.source.span(statement))
                )
            case ast.Import(names=aliases):
                for alias in aliases:
                    name = alias.asname or alias.name.partition(".")[0]
                    self._import(name, alias.name if alias.asname else name, alias)
            case ast.ImportFrom(module=module, names=aliases):
                for alias in aliases:
                    if alias.name == "*":
                        raise Unknowable("lrdecay cannot evaluate import *")
                    self._import(alias.asname or alias.name, f"{module}.{alias.name}", alias)
            case ast.Pass() | ast.Global() | ast.Nonlocal() | ast.Assert():
                pass
            case ast.Break():
                raise _BreakLoop
            case ast.Continue():
                raise _ContinueLoop
            case _:
                raise Unknowable(f"lrdecay cannot evaluate line {statement.lineno}")

    def run_inside(self, statements: list[ast.stmt]) -> None:
        """Evaluate the statements of a block."""
        self.run(statements)

    def _import(self, name: str, what: str, alias: ast.alias) -> None:
        self.names[name] = Slot(Node("object", what, self.source.span(alias), constant=True))

    def _assign(self, target: ast.expr, value: Value, *, mechanism: Any = None) -> None:
        match target:
            case ast.Name():
                self._set(target.id, Slot(value.node, mechanism or "assignment", self.source.span(target), value.via))
            case ast.Tuple() | ast.List():
                bind(target, Slot(value.node, via=value.via), self._bind)
            case ast.Attribute(value=holder, attr=name):
                self._put(self.value(holder).node, name, value, self.source.span(target), attribute=True)
            case ast.Subscript(value=holder, slice=ast.Slice()):
                self._assign_slice(target, value)
            case ast.Subscript(value=holder, slice=index):
                key = self.value(index).node
                if key.kind == "unknown":
                    self.value(holder).node.forget(key.data)
                    return
                self._put(self.value(holder).node, as_plain(key), value, self.source.span(target))
            case _:
                raise Unknowable("lrdecay cannot evaluate the target of the assignment")

    def _bind(self, target: ast.Name, slot: Slot) -> None:
        span = self.source.span(target)
        # The values of a loop variable have no place of their own.
        node = slot.node if slot.node.span else Node(slot.node.kind, slot.node.data, span)
        self._set(target.id, Slot(node, "assignment", span, slot.via))

    def _set(self, name: str, slot: Slot) -> None:
        if name == "_base_":
            raise Unknowable("_base_ is assigned a second time")
        old = self.names.get(name)
        self.names[name] = slot.over(old if old and old.node.kind not in ("object", "function") else None)

    def _put(self, node: Node, key: Any, value: Value, span: Span, *, attribute: bool = False) -> None:
        slot = Slot(value.node, "edit", span, value.via)
        if node.kind == "config" or (node.kind == "dict" and not attribute):
            put(node, key, slot)
        elif node.kind == "list":
            node.data[key] = slot.over(node.data[key])
        elif node.kind != "unknown":
            raise Unknowable("the statement raises TypeError")

    def _assign_slice(self, target: ast.Subscript, value: Value) -> None:
        node = self.value(target.value).node
        if node.kind != "list" or not isinstance(target.slice, ast.Slice):
            raise Unknowable("lrdecay cannot evaluate the target of the assignment")
        via = value.via
        node.data[self.bounds(target.slice)] = [
            slot._replace(mechanism="edit", via=(*via, *slot.via)) for slot in iterated(value.node)
        ]

    def _augment(self, statement: ast.AugAssign) -> None:
        target, span = statement.target, self.source.span(statement)
        # As an expression, the target is its former value.
        held = self.value(ast.copy_location(ast.parse(ast.unparse(target), mode="eval").body, target))
        value = self.value(statement.value)
        if held.node.kind == "list" and isinstance(statement.op, ast.Add):
            via = value.via
            held.node.data.extend(
                slot._replace(mechanism="edit", via=(*via, *slot.via)) for slot in iterated(value.node)
            )
            if isinstance(target, ast.Name):
                return
            # The item is assigned again, and a ConfigDict stores a copy.
            holder = self.value(target.value).node
            if holder.kind == "config":
                key = target.attr if isinstance(target, ast.Attribute) else as_plain(self.value(target.slice).node)
                holder.data[key] = holder.data[key]._replace(node=hooked(held.node))
            return
        if held.node.kind in MAPPINGS and isinstance(statement.op, ast.BitOr):
            raise Unknowable("lrdecay cannot evaluate |=")
        made = binary(statement.op, held, value, span)
        self._assign(target, made, mechanism="edit")

    def _delete(self, target: ast.expr) -> None:
        match target:
            case ast.Name(id=name):
                del self.names[name]
            case ast.Attribute(value=holder, attr=name):
                node = self.value(holder).node
                if node.kind == "config":
                    del node.data[name]
                elif node.kind != "unknown":
                    raise Unknowable("the statement raises AttributeError")
            case ast.Subscript(value=holder, slice=index):
                node = self.value(holder).node
                if node.kind == "unknown":
                    return
                if node.kind not in (*MAPPINGS, "list"):
                    raise Unknowable("the statement raises TypeError")
                del node.data[self.bounds(index) if isinstance(index, ast.Slice) else as_plain(self.value(index).node)]
            case _:
                raise Unknowable("lrdecay cannot evaluate the target of del")

    def _loop(self, statement: ast.For) -> None:
        for slot in iterated(self.value(statement.iter).node):
            self.rounds += 1
            if self.rounds > _MOST_ROUNDS:
                raise Unknowable("the loop takes too long to evaluate")
            bind(statement.target, slot, self._bind)
            try:
                self.run_inside(statement.body)
            except _ContinueLoop:
                continue
            except _BreakLoop:
                return
        self.run_inside(statement.orelse)

    def forget_changed(self, statement: ast.AST, reason: str) -> None:
        """Mark each value as unknown that the statement may assign or change.

        Called for statements that lrdecay cannot evaluate without running the config.
        """
        span = self.source.span(statement) if isinstance(statement, ast.stmt) else None
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
                self.names[node.id] = Slot(unknown(reason, span)).over(self.names.get(node.id))
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                self.names[node.name] = Slot(unknown(reason, span))
        self.forget_used(statement, reason)
