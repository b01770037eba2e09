"""The tools of the agent."""

import subprocess

from smolagents import tool


@tool
def shell(command: str) -> str:
    """Runs a command in a shell and gives its output and its exit code. Each call is a new shell.

    Args:
        command: The command, as it would be typed.
    """
    ran = subprocess.run(["sh", "-c", command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return f"{ran.stdout}\n(exit code {ran.returncode})"
