import os
import sys
from pathlib import Path

from otc.proof import halmos

PRINTS_AND_WORKS_ON = "print('[PASS] check_a() (paths: 1, time: 0.1s)', flush=True)\nwhile True: pass"


def test_what_works_and_decides_nothing_is_ended():
    command = [sys.executable, "-c", PRINTS_AND_WORKS_ON]
    lines = list(halmos._lines(command, Path.cwd(), dict(os.environ), 1))
    assert [halmos.parse(line)[:2] for line in lines] == [("check_a", halmos.PROVED)]


def test_the_processor_time_of_a_group_is_what_it_worked():
    before = halmos._spent(os.getpgid(0))
    worked = os.times()
    while sum(os.times()[:2]) - sum(worked[:2]) < 0.5:
        pass
    assert halmos._spent(os.getpgid(0)) - before >= 0.4
