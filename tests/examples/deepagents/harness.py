"""Edited by people and by proposals: one function for each surface."""


def build_bootstrap_instruction() -> str:
    return """You work in a directory with a shell. Do what the task says, and nothing else.
Look at the files before you change them."""


def build_execution_instruction() -> str:
    return """Make one change at a time. Read the output of each command before you run the next one.
Write results to exactly the paths that the task names."""


def build_verification_instruction() -> str:
    return """Before you finish, run the program or read the file that you made, and compare it with the task."""


def build_runtime_control_policy() -> dict:
    return {"recursion_limit": 120, "command_timeout": 60}
