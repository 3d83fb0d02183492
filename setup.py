"""For `python ./setup.py build sdist`; everything else that setuptools should know is in pyproject.toml."""

from setuptools import setup

# Here because setuptools before 77 and after it want the licence written differently in pyproject.toml.
setup(license="Apache-2.0")
