"""ROS parameters from configuration dataclasses: declared with description, unit and range; a typo is an error."""

from dataclasses import fields, replace
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterException, InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from turn_rl_ros.core.config import check, default_of, from_mapping
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task import CONFIGS, make_spec

Config = TypeVar("Config")


def declare(node: Node, kind: type[Config], prefix: str = "") -> Config:
    """Declare every field of `kind` as a parameter `prefix + name` and give the values back, checked.

    Raises:
        ConfigError: a value of the wrong type or out of range; one line that names the parameter.
    """
    values = {}
    for item in fields(kind):  # type: ignore[arg-type]
        default = default_of(item)
        name = prefix + item.name
        given = list(default) if isinstance(default, tuple) else default
        try:
            value = node.declare_parameter(name, given, _descriptor(item)).value
            values[item.name] = given if value is None else value  # an empty list in a file arrives as no value
        except (InvalidParameterException, InvalidParameterTypeException, InvalidParameterValueException) as error:
            override = node._parameter_overrides.get(name)
            if override is not None:
                check(item, override.value, f"{node.get_name()}: {prefix}")  # says it better, if it agrees
            raise ConfigError(f"{node.get_name()}: {name}: {error}") from error
    return from_mapping(kind, values, node.get_name())


def declare_task(node: Node) -> TaskSpec:
    """Declare `task.*` for the task that `task.kind` names, and give its spec. Raises ConfigError."""
    override = node._parameter_overrides.get("task.kind")
    kind = override.value if override is not None else "reach"
    if kind not in CONFIGS:
        raise ConfigError(f"{node.get_name()}: task.kind = {kind!r}; known: {', '.join(CONFIGS)}")
    config: Any = declare(node, CONFIGS[kind], "task.")
    return make_spec({item.name: getattr(config, item.name) for item in fields(config)}, node.get_name())


def refuse_unknown(node: Node) -> None:
    """Raise ConfigError for a parameter that was given to the node but that it never declared.

    rclpy ignores such overrides in silence, so a misspelt limit would leave the default in force.
    """
    for name in node._parameter_overrides:
        if not node.has_parameter(name) and not name.startswith("qos_overrides."):
            known = sorted(p for p in node._parameters if "." not in p or p.startswith("task."))
            raise ConfigError(f"{node.get_name()}: unknown parameter {name!r}; known: {', '.join(known)}")


def follow_changes(node: Any, *only: str) -> None:
    """Let `node.config` follow parameters set at run time; a bad value is refused with the reason.

    Where `only` names parameters, a change of any other that `node.config` has is refused.
    """

    def update(changes: list[Parameter]) -> SetParametersResult:
        items = {item.name: item for item in fields(node.config)}
        try:
            new = {p.name: check(items[p.name], p.value, f"{node.get_name()}: ") for p in changes if p.name in items}
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if any(p.name.startswith("task.") for p in changes):
            return SetParametersResult(successful=False, reason="the task is fixed while the node runs")
        if fixed := [name for name in new if only and name not in only]:
            reason = f"{fixed[0]} is fixed while the node runs; set it in the parameter file and start again"
            return SetParametersResult(successful=False, reason=reason)
        node.config = replace(node.config, **new)
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(update)


def values_of(node: Node) -> dict[str, Any]:
    """Every parameter of a node as plain JSON values, for provenance."""
    values = {name: parameter.value for name, parameter in node._parameters.items()}
    return {k: list(v) if not isinstance(v, str | int | float | bool | None) else v for k, v in sorted(values.items())}


def _descriptor(item: Any) -> ParameterDescriptor:
    low, high, unit = item.metadata["low"], item.metadata["high"], item.metadata["unit"]
    default = default_of(item)
    choices = item.metadata["choices"]
    descriptor = ParameterDescriptor(
        description=f"{item.metadata['description']}{f' [{unit}]' if unit else ''}",
        additional_constraints=f"one of {', '.join(choices)}" if choices else "",
        # A whole number is a good value for a float parameter; `check` does the typing.
        dynamic_typing=isinstance(default, float | tuple),
    )
    infinity = float("inf")
    if isinstance(default, float) and (low is not None or high is not None):
        span = FloatingPointRange(
            from_value=-infinity if low is None else float(low), to_value=infinity if high is None else float(high)
        )
        descriptor.floating_point_range = [span]
    elif isinstance(default, int) and not isinstance(default, bool) and low is not None and high is not None:
        descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]
    return descriptor
