"""Interleaved timing: ratios that hold on a noisy machine."""

import statistics
import time


def interleaved(functions, rounds, warm_up=2, clock=time.perf_counter):
    """Times every function once a round, in turn, so that drift is shared.

    Args:
        functions: dict name -> callable without arguments that waits for
            its own result.
        rounds: int, counted rounds.
        warm_up: int, uncounted rounds (tracing, allocation).
        clock: `time.perf_counter`, or `time.process_time` for the seconds of
            this process on all cores, whatever else the machine does.

    Returns:
        dict name -> list of seconds, one per counted round.
    """
    seconds = {name: [] for name in functions}
    for turn in range(warm_up + rounds):
        for name, function in functions.items():
            start = clock()
            function()
            if turn >= warm_up:
                seconds[name].append(clock() - start)
    return seconds


def median_ratio(numerator, denominator):
    """Returns the median over rounds of numerator / denominator."""
    pairs = zip(numerator, denominator, strict=True)
    return statistics.median(a / b for a, b in pairs)
