"""Apply suppressions to findings, and record which suppressions are unused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from fnmatch import fnmatchcase

import msgspec

from lrdecay_cli.analysis.selection import name_matches
from lrdecay_cli.domain.finding import Finding, Suppression
from lrdecay_cli.domain.settings import StatedSuppression
from lrdecay_cli.files.config_path import in_project
from lrdecay_cli.rules import RULES, RuleContext, suggest_rule
from lrdecay_cli.rules.context.policy import JudgedSuppression
from lrdecay_cli.rules.running import narrowed

_VERB = re.compile(r"#\s*lrdecay\s*:?\s*[a-z]+\W*")
_UNTIL = re.compile(r"\buntil\s*=\s*\S*")
_WORD = re.compile(r"[\w-]+")


def config_names(config: str) -> frozenset[str]:
    """Return the names of a config that a glob may match: ``config`` itself, and its path within the project."""
    return frozenset(name.removeprefix("./") for name in (config, in_project(config)) if name)


def any_matches(names: Iterable[str], pattern: str) -> bool:
    """Return True if a glob matches one of a config's names, or the end of a name: ``faster_rcnn/*.py``."""
    pattern = pattern.removeprefix("./")
    return any(fnmatchcase(name, pattern) or fnmatchcase(name, f"*/{pattern}") for name in names)


class Suppressing:
    """Applies suppressions to the findings of each config, and records which suppressions are used.

    Args:
        stated: the suppressions, in the order in which they are tried.
        today: the date that decides whether a suppression has expired.
        is_absent: whether the project has no config that matches a glob.
    """

    def __init__(
        self,
        stated: Iterable[StatedSuppression],
        today: date,
        is_absent: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._stated = tuple(stated)
        self._today = today
        self._is_absent = is_absent
        self._codes = [tuple(_known(stated.rule)) for stated in self._stated]
        self._met: set[tuple[int, str]] = set()
        self._configs: set[int] = set()

    def apply(self, context: RuleContext, findings: Sequence[Finding]) -> list[Finding]:
        """Return all findings of one config in the same order. Suppressed findings are marked.

        If a suppression applies only to some parameters of a finding, the finding is split into two.
        """
        names = config_names(context.group_map.config.path) if self._stated else ()
        here = [index for index, stated in enumerate(self._stated) if any_matches(names, stated.config)]
        self._configs.update(here)
        return [part for finding in findings for part in self._parts(context, finding, here)]

    def judged(self, run: Iterable[str]) -> tuple[JudgedSuppression, ...]:
        """Return for each suppression if it is unused or expired, and which unknown rules it names.

        ``run`` contains the rules that were run. Only for these rules can a suppression count as unused.
        """
        ran = set(run)
        judged = []
        for index, stated in enumerate(self._stated):
            unknown = tuple(name for name in stated.rule if not _known([name]))
            # Other configs may use a suppression that applies to none of the checked configs.
            could_apply = index in self._configs or self._is_absent(stated.config)
            codes = [code for code in self._codes[index] if code in ran and could_apply]
            judged.append(
                JudgedSuppression(
                    stated=stated,
                    unknown=unknown,
                    idle=tuple(code for code in codes if (index, code) not in self._met),
                    expired=self._expired(stated),
                    nearest=next(filter(None, map(suggest_rule, unknown)), ""),
                    corrected=_corrected(stated.comment) if stated.comment else "",
                )
            )
        return tuple(judged)

    def _parts(self, context: RuleContext, finding: Finding, here: Iterable[int]) -> Iterator[Finding]:
        if finding.suppressed is not None:
            yield finding
            return
        left = finding.parameters
        for index in here:
            stated = self._stated[index]
            if finding.code not in self._codes[index]:
                continue
            pattern = stated.parameters
            matching = left if pattern is None else tuple(name for name in left if name_matches(name, pattern))
            if not matching and (left or pattern is not None):
                continue
            self._met.add((index, finding.code))
            if not stated.reason.strip() or self._expired(stated):
                continue
            until = stated.until.isoformat() if stated.until else None
            line = msgspec.UNSET if stated.line is None else stated.line
            why = Suppression(stated.reason.strip(), stated.source, until, line)
            if len(matching) == len(finding.parameters):
                yield msgspec.structs.replace(finding, suppressed=why)
                return
            yield msgspec.structs.replace(narrowed(context, finding, matching), suppressed=why)
            left = tuple(name for name in left if name not in set(matching))
            if not left:
                return
        yield finding if left == finding.parameters else narrowed(context, finding, left)

    def _expired(self, stated: StatedSuppression) -> bool:
        return stated.until is not None and self._today > stated.until


def _known(names: Iterable[str]) -> list[str]:
    codes = {word: rule.code for rule in RULES for word in (rule.code, rule.name)}
    found = (codes.get(name) or codes.get(name.upper()) for name in names)
    return [code for code in found if code]


def _corrected(comment: str) -> str:
    """Return the comment in correct syntax, with rules and reason: ``# lrdecay: ignore[LRD301] REASON``."""
    text = _VERB.sub("", comment, count=1)
    rules = [word for word in _WORD.finditer(text) if _known([word[0]])]
    named = ", ".join(word[0] for word in rules) or "LRD301"
    reason = text[rules[-1].end() :].strip(" ])>,:;=–-") if rules else ""
    return f"# lrdecay: ignore[{named}] {_UNTIL.sub('until=YYYY-MM-DD', reason) or 'REASON'}"
