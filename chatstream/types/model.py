"""Plain JSON values in, models out, and JSON values again when a model is dumped.

What crosses the wire is described here by pydantic models, but never judged by them: the peer is free to
send what it likes, and a field that is wrong must not cost the caller the ones that are right.

- `build` makes a model without validating. What is missing is None, what is of another type stays as it
  came, what is unknown stays as an extra. No value is made up.
- No key from the wire is ever a keyword or an attribute name: `self`, `__class__`, `model_dump` and the
  empty string are extras like any other.
- Reading and dumping never raises and never warns, whatever the values.
- `model_validate` still validates, for those who want to know.

Nothing here knows a field of the API, nor any other part of the package.
"""

from collections.abc import Callable, Mapping
from functools import partial, wraps
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema

from chatstream.text import Unread
from chatstream.types.dump import dumped, written
from chatstream.types.plain import Json
from chatstream.types.schema import fields_of, write_as_it_is

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

M = TypeVar("M", bound="WireModel")
_Read = Callable[[Any], Any]
_Build = Callable[[Mapping[str, Any]], Any]


class WireModel(BaseModel):
    """A model of something that crosses the wire.

    Unknown members are kept: read them as attributes, or from `model_extra` where their name is taken.
    Dumping is pydantic's, with its options, but never warns and never raises for what the peer sent: what
    is written is what is there. In JSON, NaN and the infinities are null.
    """

    # No name is protected: the fields are the API's to choose, `model` being the first of them.
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow", protected_namespaces=())

    # A type checker is to see pydantic's own two signatures, at run time `inspect` is: hence the guard and
    # the `wraps`. Spelling them out would tie the package to one release of pydantic.
    if not TYPE_CHECKING:

        @wraps(BaseModel.model_dump, assigned=())
        def model_dump(self, *, mode: str = "python", **options: Any) -> dict[str, Any]:
            """The model as a dict. Options are those of `pydantic.BaseModel.model_dump`."""
            return dumped(self, mode, options)

        @wraps(BaseModel.model_dump_json, assigned=())
        def model_dump_json(self, **options: Any) -> str:
            """The model as JSON text. Options are those of `pydantic.BaseModel.model_dump_json`."""
            return written(self, options)

    def to_dict(
        self,
        *,
        mode: Literal["json", "python"] = "json",
        use_api_names: bool = True,
        exclude_unset: bool = True,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        warnings: bool = False,
    ) -> dict[str, Any]:
        """The model as a dict of JSON values, with only what the peer sent.

        The options are those of the official SDK's `to_dict`; `mode="python"` leaves parsed values and
        NaN as they are. `warnings` is accepted for its sake: there are none.
        """
        return self.model_dump(
            mode=mode,
            by_alias=use_api_names,
            exclude_unset=exclude_unset,
            exclude_defaults=exclude_defaults,
            exclude_none=exclude_none,
            warnings=warnings,
        )

    def to_json(
        self,
        *,
        indent: int | None = 2,
        use_api_names: bool = True,
        exclude_unset: bool = True,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        warnings: bool = False,
    ) -> str:
        """The model as JSON text, with only what the peer sent, indented by `indent` spaces or on one line.

        The options are those of the official SDK's `to_json`.
        """
        return self.model_dump_json(
            indent=indent,
            by_alias=use_api_names,
            exclude_unset=exclude_unset,
            exclude_defaults=exclude_defaults,
            exclude_none=exclude_none,
            warnings=warnings,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # A class made by `ParsedChatCompletion[Answer]` inside a function has no name that pickle could
        # import; what it was made from has.
        generic = type(self).__pydantic_generic_metadata__
        made_of = (generic["origin"] or type(self), generic["args"])
        return _blank, made_of, self.__getstate__()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        for field in fields_of(handler.resolve_ref_schema(schema)):
            write_as_it_is(field)
        return schema


class LateModel(WireModel):
    """A model that builds a member when somebody looks at it, if it was given as `Unread`.

    Whatever looks at all members, pydantic's own code too, asks for `__dict__`, and a single one that is not there
    is asked of `__getattr__`. Nothing else is to know.
    """

    if not TYPE_CHECKING:

        @property
        def __dict__(self) -> dict[str, Any]:
            state = _get_state(self)
            return _build_late(self, state) if _LATE in state else state

        @__dict__.setter
        def __dict__(self, state: dict[str, Any]) -> None:
            _set_state(self, state)

        def __getattr__(self, name: str) -> Any:
            state = self.__dict__
            return state[name] if name in state else super().__getattr__(name)

        def __delattr__(self, name: str) -> None:
            _ = self.__dict__
            super().__delattr__(name)


class _Late:
    """A member that is built when somebody looks."""

    def __init__(self, read: _Read, value: Unread) -> None:
        self._read = read
        self._value = value
        self._built: dict[str, Any] = {}

    def build(self) -> Any:
        """The member, the same one each time, also when two threads ask at once."""
        return self._built.get("it") or self._built.setdefault("it", self._read(self._value.read()))


def _build_late(model: "LateModel", state: dict[str, Any]) -> dict[str, Any]:
    """Build what is late; all members, in their order."""
    late: dict[str, _Late] = state[_LATE]
    # A new dict, put in place when it is whole, so that nobody ever sees half of one.
    names = [name for name in type(model).model_fields if name in state or name in late]
    whole = {name: state[name] if name in state else late[name].build() for name in names}
    now = _get_state(model)
    if now is not state:
        return now  # another thread was faster, and a member may have been set since
    _set_state(model, whole)
    return whole


def build(cls: type[M], values: Mapping[str, Any]) -> M:
    """A model of class `cls` made from plain JSON values, without validating them.

    A required field that is missing is None, any other takes a fresh copy of its default. Members that the
    class declares as models, or as lists of models, are built in turn where they are dicts; everything
    else is kept as it is, not copied, so the values must be the model's alone.
    """
    made: M = _build_for(cls)(values)
    return made


# One function per class does the building, and is made once.

# The slots are set through their descriptors: four times a model, and a third cheaper than by name.
_LATE = "built when somebody looks"  # a key beside those of the fields
_get_state: Callable[[WireModel], dict[str, Any]] = BaseModel.__dict__["__dict__"].__get__
_set_state: Callable[[WireModel, dict[str, Any]], None] = BaseModel.__dict__["__dict__"].__set__
_set_known: Callable[[WireModel, set[str]], None] = BaseModel.__dict__["__pydantic_fields_set__"].__set__
_set_extra: Callable[[WireModel, dict[str, Any]], None] = BaseModel.__dict__["__pydantic_extra__"].__set__
_set_private: Callable[[WireModel, None], None] = BaseModel.__dict__["__pydantic_private__"].__set__


def _build_for(cls: type[WireModel], within: frozenset[type[WireModel]] = frozenset()) -> _Build:
    """What builds models of this one class, made when first asked for; `within` are the classes being made."""
    # Kept on the class, since a table would keep every ParsedChatCompletion[…] that was ever made; and looked
    # for in its own namespace, since a subclass must not find what builds its parent.
    ready: _Build | None = cls.__dict__.get("_wire_build")
    if ready is not None:
        return ready
    if cls in within:  # a model that has models of its own class within
        return partial(build, cls)
    # Two threads may come here at once. Both then make the same, and nothing unfinished is ever on the class.
    ready = _make_build(cls, within | {cls})
    type.__setattr__(cls, "_wire_build", ready)
    return ready


def _make_build(cls: type[WireModel], within: frozenset[type[WireModel]]) -> _Build:
    fields = cls.model_fields
    fresh = {name: field for name, field in fields.items() if not _is_fixed(field)}
    blank = {name: None if name in fresh or field.is_required() else field.default for name, field in fields.items()}
    count = len(blank)
    parts = tuple((name, read) for name, field in fields.items() if (read := _reader(field.annotation, within)))
    after = cls.__pydantic_post_init__
    new = cls.__new__

    def make(values: Mapping[str, Any]) -> WireModel:
        state: dict[str, Any] = {**blank, **values}
        known = set(values)
        extra = {} if len(state) == count else _split(state, known, count)
        for name, read in parts:
            value = state[name]
            if type(value) is Unread:
                late: dict[str, Any] = state.setdefault(_LATE, {})
                late[name] = _Late(read, value)
                del state[name]
            elif value is not None:
                state[name] = read(value)
        if fresh:
            _fill(state, known, fresh)
        model = new(cls)
        _set_state(model, state)
        _set_known(model, known)
        _set_extra(model, extra)
        _set_private(model, None)
        if after:  # a subclass with private attributes, or with a hook of its own
            model.model_post_init(None)
        return model

    return make


def _split(state: dict[str, Any], known: set[str], count: int) -> dict[str, Any]:
    """The members past the `count` of the class, which a dict keeps behind them, taken out of both."""
    extra = {key: state.pop(key) for key in list(state)[count:]}
    known.difference_update(extra)
    return extra


def _fill(state: dict[str, Any], known: set[str], fresh: "dict[str, FieldInfo]") -> None:
    """Give each missing field a default of its own."""
    for name, field in fresh.items():
        if name not in known:
            # A factory that looks at the other fields is known to pydantic since 2.10, and so is the argument.
            takes_state = getattr(field, "default_factory_takes_validated_data", False)
            state[name] = field.get_default(
                call_default_factory=True,
                **({"validated_data": state} if takes_state else {}),
            )


def _is_fixed(field: "FieldInfo") -> bool:
    """Whether the field's default, if any, can be shared by all models of the class."""
    return field.is_required() or (
        field.default_factory is None and isinstance(field.default, str | int | float | None)
    )


def _reader(annotation: Any, within: frozenset[type[WireModel]]) -> _Read | None:
    """What makes models of a value declared so; None if there is nothing to make."""
    if get_origin(annotation) is list:
        models = _models_in(get_args(annotation)[0])
        return _read_list(_read_one(models, within)) if models else None
    if _is_union(annotation):
        lists = [part for part in get_args(annotation) if get_origin(part) is list]
        if lists:
            return _reader(lists[0], within)
    models = _models_in(annotation)
    return _read_one(models, within) if models else None


def _read_one(models: list[type[WireModel]], within: frozenset[type[WireModel]]) -> _Read:
    makers = [_build_for(model, within) for model in models]
    make = makers[0]
    by_type = {kind: maker for model, maker in zip(models, makers, strict=True) for kind in _kinds(model)}

    def read(value: Json) -> Any:
        return make(value) if isinstance(value, dict) else value

    def read_by_type(value: Json) -> Any:
        if not isinstance(value, dict):
            return value
        kind = value.get("type")
        return by_type.get(kind, make)(value) if isinstance(kind, str) else make(value)

    return read if len(models) == 1 else read_by_type


def _read_list(read: _Read) -> _Read:
    def read_all(value: Json) -> Any:
        return list(map(read, value)) if isinstance(value, list) else value

    return read_all


def _models_in(annotation: Any) -> list[type[WireModel]]:
    """The wire models that a value declared so may be, in the order of declaration."""
    if isinstance(annotation, type) and issubclass(annotation, WireModel):
        return [annotation]
    if get_origin(annotation) is Annotated:
        return _models_in(get_args(annotation)[0])
    if _is_union(annotation):
        return [model for part in get_args(annotation) for model in _models_in(part)]
    return []


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in {Union, UnionType}


def _kinds(model: type[WireModel]) -> tuple[Any, ...]:
    field = model.model_fields.get("type")
    return get_args(field.annotation) if field else ()


def _blank(cls: type[WireModel], args: tuple[Any, ...]) -> WireModel:
    """A model for pickle to fill."""
    made = cast("Any", cls)[args] if args else cls
    model: WireModel = made.__new__(made)
    return model
