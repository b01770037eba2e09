"""Runs the agent once: HARNESS INSTRUCTION WORKDIR TRANSCRIPT. The model is reached as the environment says."""

import json
import os
import sys

import yaml
from smolagents import OpenAIServerModel, ToolCallingAgent


def main(harness, instruction_path, workdir, transcript_path):
    sys.path.insert(0, harness)
    from tools import shell

    with open(os.path.join(harness, "prompts.yaml"), encoding="utf-8") as file:
        prompts = yaml.safe_load(file)
    with open(instruction_path, encoding="utf-8") as file:
        task = file.read()
    # Endpoint and key are in the variables that its client reads.
    model = OpenAIServerModel(model_id=os.environ.get("MODEL_NAME", "model"))
    agent = ToolCallingAgent(tools=[shell], model=model, prompt_templates=prompts, max_steps=30)
    os.chdir(workdir)
    try:
        agent.run(task)
    finally:
        with open(transcript_path, "w", encoding="utf-8") as file:
            json.dump(agent.memory.get_full_steps(), file, default=str)


if __name__ == "__main__":
    main(*sys.argv[1:5])
