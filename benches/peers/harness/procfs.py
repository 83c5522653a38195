"""Reads CPU time and memory of a process tree from /proc (Linux)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.outcome import MeasurementError

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class ProcessStat:
    pid: int
    state: str
    parent: int
    session: int
    ticks: int  # utime + stime of all the process's threads, ended ones included
    started: int

    @property
    def alive(self) -> bool:
        return self.state not in "ZX"


@dataclass(frozen=True)
class Memory:
    pss_kib: int
    rss_kib: int


def read_stat(pid: int) -> ProcessStat | None:
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name is in parentheses and may hold anything; fields are counted from its end.
    fields = text[text.rindex(")") + 2 :].split()
    return ProcessStat(
        pid=pid,
        state=fields[0],
        parent=int(fields[1]),
        session=int(fields[3]),
        ticks=int(fields[11]) + int(fields[12]),
        started=int(fields[19]),
    )


def process_tree(root: int) -> dict[int, ProcessStat]:
    """The living process `root`, its descendants, and all else in the session that it leads."""
    pids = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    stats = {stat.pid: stat for stat in map(read_stat, pids) if stat and stat.alive}
    members = {pid for pid, stat in stats.items() if pid == root or stat.session == root}
    size = 0
    while size != len(members):
        size = len(members)
        members |= {pid for pid, stat in stats.items() if stat.parent in members}
    return {pid: stats[pid] for pid in members}


def cpu_seconds_between(
    before: dict[int, ProcessStat], after: dict[int, ProcessStat], root: int
) -> float:
    """CPU time the tree spent between two readings.

    # Errors

    A process that died in between took its CPU time along, so the measurement is void.
    """
    for pid, stat in before.items():
        if pid not in after or after[pid].started != stat.started:
            who = "the server" if pid == root else f"process {pid} of the server"
            raise MeasurementError(f"{who} died while it was measured")
    ticks = sum(stat.ticks for stat in after.values())
    return (ticks - sum(stat.ticks for stat in before.values())) / TICKS_PER_SECOND


def memory_of(pids: Iterable[int]) -> Memory:
    """Sums the proportional and the resident set sizes of `pids`."""
    pss = rss = 0
    for pid in pids:
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            key, _, rest = line.partition(":")
            if key == "Pss":
                pss += int(rest.split()[0])
            elif key == "Rss":
                rss += int(rest.split()[0])
    return Memory(pss_kib=pss, rss_kib=rss)
