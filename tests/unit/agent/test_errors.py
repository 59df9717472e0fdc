import inspect

import pytest

from agent_service import errors
from agent_service.errors import AgentError, PermanentError, RetryableError

CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, Exception) and value.__module__ == errors.__name__
}


def test_the_tree_in_the_docstring_and_all_name_every_class():
    for name in CLASSES:
        assert name in errors.__doc__
        assert name in errors.__all__
    assert errors.__all__ == sorted(errors.__all__)


def test_every_error_is_either_retryable_or_permanent():
    for cls in CLASSES.values():
        if cls is not AgentError:
            assert issubclass(cls, RetryableError) != issubclass(cls, PermanentError)


@pytest.mark.parametrize("name", sorted(set(CLASSES) - {"ConfigurationError"}))
def test_the_docstring_is_the_default_message(name):
    assert CLASSES[name]().message == inspect.getdoc(CLASSES[name]).splitlines()[0]
