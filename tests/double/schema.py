"""Structured output: which schemas the API takes, and JSON that fits one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# The official SDK moves these into descriptions before it sends a schema, because the API refuses them.
UNSUPPORTED = (
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "maxItems", "uniqueItems", "patternProperties"),
)
SAMPLES = {"date-time": "2030-01-15T09:00:00Z", "date": "2030-01-15", "time": "09:00:00Z"}


def faults(schema: Any, path: str = "output_config.format.schema") -> Iterator[str]:
    """What the API would refuse about a schema."""
    if not isinstance(schema, dict):
        return
    if "object" in _types(schema) and schema.get("additionalProperties") is not False:
        yield f"{path}: For 'object' type, 'additionalProperties' must be explicitly set to false"
    for keyword in UNSUPPORTED:
        if keyword in schema:
            yield f"{path}: For '{schema.get('type')}' type, property '{keyword}' is not supported"
    if schema.get("minItems", 0) not in {0, 1}:
        yield f"{path}: For 'array' type, 'minItems' values other than 0 or 1 are not supported"
    for part in ("properties", "$defs", "definitions"):
        for name, inner in schema.get(part, {}).items():
            yield from faults(inner, f"{path}.{name}")
    for inner in [schema.get("items"), *schema.get("anyOf", []), *schema.get("allOf", [])]:
        yield from faults(inner, path)


def fit(schema: dict[str, Any], values: Mapping[str, Any], *, filler: str) -> Any:
    """JSON that fits the schema: values by property name at any depth, other text is the filler."""
    return _Fitter(schema, filler).make(schema, "", values)


class _Fitter:
    def __init__(self, root: dict[str, Any], filler: str) -> None:
        self._definitions = {**root.get("definitions", {}), **root.get("$defs", {})}
        self._filler = filler

    def make(self, schema: dict[str, Any], name: str, values: Mapping[str, Any]) -> Any:
        if "$ref" in schema:
            return self.make(self._definitions[schema["$ref"].rpartition("/")[2]], name, values)
        if options := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
            return self.make(self._choose(options, known=values.get(name) is not None), name, values)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return values[name] if values.get(name) in schema["enum"] else schema["enum"][0]
        types = _types(schema)
        if "null" in types and values.get(name) is None:
            return None
        return self._of_type(next(one for one in types if one != "null"), schema, name, values)

    @staticmethod
    def _choose(options: list[dict[str, Any]], *, known: bool) -> dict[str, Any]:
        empty = [option for option in options if option.get("type") == "null"]
        return empty[0] if empty and not known else next(option for option in options if option not in empty)

    def _of_type(self, kind: str, schema: dict[str, Any], name: str, values: Mapping[str, Any]) -> Any:
        value = values.get(name)
        match kind:
            case "object":
                return self._object(schema, values | value if isinstance(value, dict) else values)
            case "array":
                return self._array(schema, name, values)
            case "string":
                return value if isinstance(value, str) else SAMPLES.get(schema.get("format", ""), self._filler)
            case "boolean":
                return value is True
            case "integer":
                return value if isinstance(value, int) else 1
            case _:
                return value if isinstance(value, int | float) else 0.5

    def _object(self, schema: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        due = set(schema.get("required", []))
        properties = schema.get("properties", {}).items()
        return {name: self.make(inner, name, values) for name, inner in properties if name in due or name in values}

    def _array(self, schema: dict[str, Any], name: str, values: Mapping[str, Any]) -> list[Any]:
        value, items = values.get(name), schema.get("items", {})
        if isinstance(value, list):
            return [self.make(items, name, {**values, name: inner}) for inner in value]
        wanted = schema.get("minItems") or "$ref" in items or "object" in _types(items)
        return [self.make(items, name, values)] if wanted else []


def _types(schema: dict[str, Any]) -> list[str]:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return kind if isinstance(kind, list) else [kind]
