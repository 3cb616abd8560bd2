"""`rest_channels.consumers`, the module from which all consumers are imported."""

from inspect import isclass

import pytest

from rest_channels import consumers, model_consumers
from tests.field.scripts import run_script

IMPORTS = """
import sys
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"])
import django
django.setup()
from rest_channels.consumers import AsyncAPIConsumer, GenericAsyncAPIConsumer, SocketConsumer
print("rest_channels.observer" in sys.modules)
from rest_channels.consumers import ModelConsumer
print("rest_channels.observer" in sys.modules)
"""


def test_observers_are_loaded_with_the_first_consumer_of_a_model() -> None:
    assert run_script(IMPORTS).split() == ["False", "True"]


@pytest.mark.parametrize("name", model_consumers.__all__)
def test_the_consumers_of_models_are_in_the_module_of_all_consumers(name) -> None:
    assert getattr(consumers, name) is getattr(model_consumers, name)


def test_a_star_import_takes_all_consumers() -> None:
    namespace: dict[str, object] = {}
    exec("from rest_channels.consumers import *", namespace)
    assert set(consumers.__all__) <= namespace.keys()
    assert isclass(namespace["ModelConsumer"])


def test_the_names_of_the_module_include_all_consumers() -> None:
    assert set(consumers.__all__) <= set(dir(consumers))


def test_a_misspelt_consumer_raises_an_import_error() -> None:
    with pytest.raises(ImportError, match="ModelConsumr"):
        from rest_channels.consumers import ModelConsumr  # noqa: F401
