"""model_cards/ and plugins/index.json stand at the top and become parts of the package.

Everything else is in pyproject.toml, which can name packages or find them, but not both.
"""

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

DATA = {"aezoo.model_cards": "model_cards", "aezoo.plugin_index": "plugins"}


class BuildPy(build_py):
    """Of the folders in DATA, data alone: what scripts stand there belong to the repository."""

    def find_package_modules(self, package, package_dir):
        return [] if package in DATA else super().find_package_modules(package, package_dir)


setup(
    packages=[*find_packages(include=["aezoo", "aezoo.*"]), *DATA],
    package_dir=DATA,
    package_data={
        "aezoo.model_cards": ["zoo.json", "*/*"],
        "aezoo.plugin_index": ["index.json"],
        "aezoo.scaffold": ["templates/**/*.txt"],
    },
    cmdclass={"build_py": BuildPy},
)
