"""An error that is reported elsewhere keeps all its parts."""

from __future__ import annotations

import pytest

from lrdecay_cli.decay.options import DecayError
from lrdecay_cli.domain.errors import ConstructorRefused, Interrupted, LrdecayError


@pytest.mark.parametrize("kind", [LrdecayError, ConstructorRefused, DecayError, Interrupted])
def test_at_another_place_it_is_the_same_error(kind: type[LrdecayError]) -> None:
    error = kind("is odd", where="here", fix="change it", status="no-model", final=True)
    error.__cause__ = KeyError("origin")
    moved = error.at("there")
    assert type(moved) is kind
    assert moved.fields() == {**error.fields(), "where": "there"}
    assert moved.__cause__ is error.__cause__
    assert (str(error), str(moved)) == ("here: is odd; change it", "there: is odd; change it")


def test_an_error_consists_of_its_fields() -> None:
    error = LrdecayError("is odd", where="here", fix="change it", status="no-model", final=True)
    assert vars(ConstructorRefused(**error.fields())) == vars(error)
