"""model_cards/ and plugins/index.json stand at the top and become parts of the package.

Everything else is in pyproject.toml, which can name packages or find them, but not both.
"""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["aezoo", "aezoo.*"]),
        "aezoo.model_cards",
        "aezoo.plugin_index",
    ],
    package_dir={"aezoo.model_cards": "model_cards", "aezoo.plugin_index": "plugins"},
    package_data={
        "aezoo.model_cards": ["zoo.json", "*/*"],
        "aezoo.plugin_index": ["index.json"],
        "aezoo.scaffold": ["templates/**/*.txt"],
    },
)
