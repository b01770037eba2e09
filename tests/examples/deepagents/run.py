"""Runs the agent once: HARNESS INSTRUCTION WORKDIR TRANSCRIPT. The model is reached as the environment says."""

import importlib.util
import json
import os
import sys

from deepagents import create_deep_agent
from deepagents.backends import LocalShellBackend
from langchain_core.messages import messages_to_dict
from langchain_openai import ChatOpenAI


def load(path):
    spec = importlib.util.spec_from_file_location("harness", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(harness_path, instruction_path, workdir, transcript_path):
    harness = load(harness_path)
    policy = harness.build_runtime_control_policy()
    prompt = "\n\n".join(
        [
            harness.build_bootstrap_instruction(),
            harness.build_execution_instruction(),
            harness.build_verification_instruction(),
        ]
    )
    model = ChatOpenAI(model=os.environ.get("MODEL_NAME", "model"), use_responses_api=False)
    # `virtual_mode=True` would move absolute paths below the root, away from where a verifier looks.
    backend = LocalShellBackend(root_dir=workdir, virtual_mode=False, timeout=policy["command_timeout"])
    agent = create_deep_agent(model=model, system_prompt=prompt, backend=backend)
    with open(instruction_path, encoding="utf-8") as file:
        task = file.read()
    messages = []
    try:
        for state in agent.stream(
            {"messages": [{"role": "user", "content": task}]},
            config={"recursion_limit": policy["recursion_limit"]},
            stream_mode="values",
        ):
            messages = state["messages"]
    finally:
        with open(transcript_path, "w", encoding="utf-8") as file:
            json.dump(messages_to_dict(messages), file)


if __name__ == "__main__":
    main(*sys.argv[1:5])
