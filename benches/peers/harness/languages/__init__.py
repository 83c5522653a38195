"""The languages whose servers are measured side by side."""

from harness.languages.node import NODE
from harness.languages.python import PYTHON

LANGUAGES = {language.name: language for language in (PYTHON, NODE)}
