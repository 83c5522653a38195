"""Measures one row of one participant: `python measure.py dishka_ "app value" 0.5`."""

from __future__ import annotations

import asyncio
import gc
import importlib
import sys
from pathlib import Path

from row import Row

sys.path.insert(0, str(Path(__file__).resolve().parent / "participants"))


def main() -> None:
    participant, name, seconds = sys.argv[1:4]
    unit, measured = importlib.import_module(participant).ROWS.all[name]
    row = Row(unit, float(seconds))
    gc.collect()
    gc.freeze()
    asyncio.run(measured(row))
    print(row.nanoseconds)


if __name__ == "__main__":
    main()
