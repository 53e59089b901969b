"""Values as Python source, compared with Python's own parser."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from lrdecay_cli.text.python_source import NOT_FINITE, as_python, finite_or_name


@pytest.mark.parametrize(
    "value",
    [{"lr_mult": 0.1}, {".bias": {"decay_mult": 0}}, [1, (2.5, None)], "a 'b'", math.inf, {"a": [-math.inf, math.nan]}],
)
def test_source_gives_the_value(value: Any) -> None:
    # As in JSON, a tuple is a list, and NaN equals itself.
    assert json.dumps(eval(as_python(value))) == json.dumps(value)


@pytest.mark.parametrize("name", NOT_FINITE)
def test_a_name_of_a_map_is_the_number_in_python(name: str) -> None:
    assert finite_or_name(eval(as_python(name))) == name
