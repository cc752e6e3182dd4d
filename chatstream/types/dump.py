"""A model and pydantic's options for a dump in; a dict or JSON text out, without a warning or a refusal.

Pydantic's serializer goes first, and nearly always that is all. What it refuses in JSON (nesting past some 250
levels, text that UTF-8 cannot encode, values of unknown types) goes through its Python mode and then
through `plain`. So its options mean the same on both ways. An error of the caller's own serializer
comes out of either, and is the caller's.
"""

import json
from typing import Any

from pydantic import BaseModel
from pydantic_core import from_json

from chatstream.types.plain import Json, encodable, plain, spelled


def dumped(model: BaseModel, mode: str, options: dict[str, Any]) -> dict[str, Any]:
    """The model as a dict, in pydantic's `mode`."""
    if mode != "json":
        return _members(model, {**options, "mode": mode})
    # By way of the text, because pydantic's own JSON mode leaves the NaN of a parsed model as it is.
    try:
        members: dict[str, Any] = from_json(BaseModel.model_dump_json(model, **_quiet(options)))
    except (ValueError, ArithmeticError):  # refusals, in pydantic's various words: depth, encoding, type, size
        return _plain_members(model, options)
    return members


def written(model: BaseModel, options: dict[str, Any]) -> str:
    """The model as JSON text."""
    try:
        return BaseModel.model_dump_json(model, **_quiet(options))
    except (ValueError, ArithmeticError):
        indent = options.pop("indent", None)
        ensure_ascii = options.pop("ensure_ascii", False)
        separators = (",", ":") if indent is None else (",", ": ")
        members = _plain_members(model, options)
        return json.dumps(members, indent=indent, ensure_ascii=ensure_ascii, separators=separators)


def _quiet(options: dict[str, Any]) -> dict[str, Any]:
    return {**options, "warnings": False}


def _plain_members(model: BaseModel, options: dict[str, Any]) -> dict[str, Any]:
    # Python mode knows no depth, so pydantic still decides what is left out, and only the walk is ours.
    members: dict[str, Any] = plain(_members(model, options), options.get("fallback") or spelled)
    return members


def _members(model: BaseModel, options: dict[str, Any]) -> dict[str, Any]:
    try:
        return BaseModel.model_dump(model, **_quiet(options))
    except UnicodeError:  # the one thing that Python mode refuses: a key that cannot be encoded
        return BaseModel.model_dump(_with_encodable_keys(model), **_quiet(options))


def _with_encodable_keys(value: Json | BaseModel) -> Any:
    """The model, shallowly copied as far down as models go, with keys that pydantic can write."""
    if isinstance(value, list):
        return list(map(_with_encodable_keys, value))
    if not isinstance(value, BaseModel):
        return value
    copied = value.model_copy()
    state = {name: _with_encodable_keys(member) for name, member in value.__dict__.items()}
    object.__setattr__(copied, "__dict__", state)
    if value.model_extra:
        extra = {encodable(key): member for key, member in value.model_extra.items()}
        object.__setattr__(copied, "__pydantic_extra__", extra)
    return copied
