"""Which task runs, told fast."""

from __future__ import annotations

import asyncio
import sys

__all__ = ["task_of"]

if sys.version_info >= (3, 12):
    task_of = asyncio.current_task
else:
    # Before 3.12, `current_task` is written in Python, and takes as long as a constructor. This is what it looks into.
    task_of = vars(asyncio.tasks)["_current_tasks"].get
