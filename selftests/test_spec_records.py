"""The records of `spec/`: what was seen can't be changed afterwards, and numbers of one kind are told apart by name."""

import dataclasses
import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import spec
from spec import event
from spec.channel import Channel
from spec.epoll import Ran, Waiting, Watched
from spec.model.exploration import Explored
from spec.model.story import Story
from spec.parent import Account
from spec.plan import Burst, Connect, Finish, Plan
from spec.verdict import Violation

# Made thousands of times a second: no dictionary each.
MANY = {each for each in vars(event).values() if dataclasses.is_dataclass(each)} | {Channel, Watched, Ran, Waiting}
SHORT = {Burst, Connect, Finish, Plan, Violation, Explored, Story}  # steps and pairs, which read well by place


def records() -> Iterator[type]:
    for module in pkgutil.walk_packages(spec.__path__, "spec."):
        for each in vars(importlib.import_module(module.name)).values():
            if isinstance(each, type) and dataclasses.is_dataclass(each) and each.__module__ == module.name:
                yield each


@pytest.mark.parametrize("record", [*records()], ids=lambda each: each.__name__)
def test_a_record_is_frozen_and_made_by_keywords_where_it_has_many_fields(record: type) -> None:
    if record is not Account:  # the parent's own books, which its steps change
        assert record.__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert all(field.kw_only for field in dataclasses.fields(record)) is (record not in MANY | SHORT)
    assert ("__slots__" in vars(record)) is (record in MANY)
