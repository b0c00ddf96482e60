import subprocess
import sys

import pytest

ASK = (
    "import os, sys; sys.argv = ['coreset', '--version']\n"
    "from coreset_cli.__main__ import main\n"
    "try: main()\n"
    "finally: print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)\n"
)


@pytest.mark.parametrize(("given", "expected"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_idle_threads_sleep_unless_the_user_says_otherwise(monkeypatch, given, expected):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if given:
        monkeypatch.setenv("OMP_WAIT_POLICY", given)
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == f"{expected} False"
