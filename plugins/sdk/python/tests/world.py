"""A host for tests: the modules that componentize-py makes from the WIT, as far as the package uses them."""

import enum
import sys
import types
from dataclasses import dataclass

CONFIG: dict[str, str] = {}
PUBLISHED: list = []
LOGGED: list[tuple[str, str, str]] = []
ANSWER: list = []


class Err(Exception):
    def __init__(self, value):
        self.value = value


def module(name: str, **members) -> None:
    made = types.ModuleType(name)
    vars(made).update(members)
    sys.modules[name] = made


def record(name: str, *fields: str) -> type:
    return dataclass(type(name, (), {"__annotations__": dict.fromkeys(fields, object)}))


def publish(message) -> None:
    if ANSWER:
        raise Err(ANSWER.pop())
    PUBLISHED.append(message)


class Level(enum.Enum):
    TRACE, DEBUG, INFO, WARN, ERROR, CRITICAL = range(6)


def install() -> None:
    module("componentize_py_types", Err=Err)
    module("wit_world")
    module("wit_world.imports")
    made = {
        "effects": {
            "publish": publish,
            "Message": record("Message", "subject", "data", "headers"),
            "Error_Denied": record("Error_Denied", "value"),
            "Error_TooLarge": record("Error_TooLarge"),
            "Error_QuotaExceeded": record("Error_QuotaExceeded"),
            "Error_Other": record("Error_Other", "value"),
        },
        "event_types": {
            "Event": record("Event", "id", "kind", "project", "room", "participant", "created_at", "attempt",
                            "deadline_ms", "json", "attributes"),
            "RetryHint": record("RetryHint", "reason", "after_ms"),
            "Failure_Retry": record("Failure_Retry", "value"),
            "Failure_Permanent": record("Failure_Permanent", "value"),
            "Outcome_Done": record("Outcome_Done"),
            "Outcome_Skipped": record("Outcome_Skipped", "value"),
        },
        "wasi_config_store": {"get": CONFIG.get},
        "logging": {"Level": Level, "log": lambda level, context, text: LOGGED.append((level.name, context, text))},
    }
    for name, members in made.items():
        module(f"wit_world.imports.{name}", **members)
        setattr(sys.modules["wit_world.imports"], name, sys.modules[f"wit_world.imports.{name}"])
