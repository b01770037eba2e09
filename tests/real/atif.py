"""ATIF and the programs that write and read it, by their own code and without a model:

    python atif.py load FILE...          Harbor's validator reads trajectories; says what is wrong with each
    python atif.py terminus DIRECTORY    Terminus-2 works there in a shell; its own writer leaves `trajectory.json`
    python atif.py convert FROM TO       Harbor's converter makes ATIF of a trajectory of mini-swe-agent
    python atif.py mini TO               mini-swe-agent works in a shell and saves its trajectory

`mini` runs in an installation of mini-swe-agent, everything else in one of Harbor. Only what would ask a model or need tmux is
replaced: the answers are those below.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TASK = "Write the number of lines of `notes.txt` to `answer.txt`."


def load(paths):
    from harbor.utils.trajectory_validator import TrajectoryValidator

    wrong = 0
    for path in paths:
        validator = TrajectoryValidator()
        if not validator.validate(Path(path)):
            wrong += 1
            for error in validator.errors:
                print(f"{path}: {error}")
    print(f"{len(paths) - wrong} of {len(paths)} trajectories load")
    sys.exit(1 if wrong else 0)


def in_a_directory():
    """A directory with the task's file."""
    directory = tempfile.mkdtemp(prefix="atif-")
    Path(directory, "notes.txt").write_text("one\ntwo\nthree\n")
    return directory


# Three calls in one answer, then one that ends, which Terminus-2 wants twice.
TERMINUS = [
    {
        "analysis": "A file with notes is there.",
        "plan": "Count its lines, write the count, read it back.",
        "commands": [
            {"keystrokes": "wc -l < notes.txt\n", "duration": 0.1},
            {"keystrokes": "wc -l < notes.txt > answer.txt\n", "duration": 0.1},
            {"keystrokes": "cat answer.txt\n", "duration": 0.1},
        ],
    },
    {"analysis": "The file is missing?", "plan": "Look.", "commands": [{"keystrokes": "ls nothing\n", "duration": 0.1}]},
    {"analysis": "It is done.", "plan": "End.", "commands": [], "task_complete": True},
    {"analysis": "It is done.", "plan": "End.", "commands": [], "task_complete": True},
]


def terminus(directory):
    from harbor.agents.terminus_2 import Terminus2
    from harbor.llms.base import BaseLLM, LLMResponse
    from harbor.models.agent.context import AgentContext
    from harbor.models.metric import UsageInfo

    class Scripted(BaseLLM):
        def __init__(self):
            self.asked = 0

        async def call(self, prompt, **kwargs):
            answer = TERMINUS[self.asked]
            self.asked += 1
            usage = UsageInfo(prompt_tokens=100 * self.asked, completion_tokens=20, cache_tokens=50, cost_usd=0.001)
            return LLMResponse(content=json.dumps(answer), model_name="scripted", usage=usage)

        def get_model_context_limit(self):
            return 100_000

        def get_model_output_limit(self):
            return 8_192

    class Shell:
        """What tmux shows: each command and its output."""

        def __init__(self, work):
            self.work, self.shown = work, ""

        async def is_session_alive(self):
            return True

        async def send_keys(self, keystrokes, **kwargs):
            ran = subprocess.run(
                ["sh", "-c", keystrokes], cwd=self.work, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            self.shown += f"$ {keystrokes}{ran.stdout}"

        async def get_incremental_output(self):
            shown, self.shown = self.shown, ""
            return f"New Terminal Output:\n{shown}" if shown else "Current Terminal Screen:\n$ "

    work = in_a_directory()
    limits = {"max_input_tokens": 100_000, "max_output_tokens": 8_192, "input_cost_per_token": 0, "output_cost_per_token": 0}
    agent = Terminus2(
        logs_dir=Path(directory),
        model_name="openai/scripted",
        api_base="http://127.0.0.1:9/v1",
        model_info=limits,
        record_terminal_session=False,
        session_id="scripted",
    )
    agent._llm, agent._session = Scripted(), Shell(work)
    context = AgentContext()
    asyncio.run(agent.run(TASK, None, context))
    assert Path(work, "answer.txt").read_text().strip() == "3"


def convert(source, target):
    from harbor.agents.installed.mini_swe_agent import convert_and_save_trajectory

    convert_and_save_trajectory(Path(source), Path(target), "converted")


COMMANDS = [
    ("The notes are counted first.", "wc -l < notes.txt"),
    ("Now the answer.", "wc -l < notes.txt > answer.txt"),
    (None, "cat nothing"),
    ("It is there.", "cat answer.txt"),
    ("Done.", "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"),
]


def mini(target):
    from minisweagent.agents.default import DefaultAgent
    from minisweagent.environments.local import LocalEnvironment
    from minisweagent.models.test_models import DeterministicToolcallModel, make_toolcall_output

    outputs = []
    for at, (thought, command) in enumerate(COMMANDS):
        call = {
            "id": f"call_{at}",
            "type": "function",
            "function": {"name": "bash", "arguments": json.dumps({"command": command})},
        }
        output = make_toolcall_output(thought, [call], [{"command": command, "tool_call_id": f"call_{at}"}])
        usage = {"prompt_tokens": 100 + at, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 40}}
        output["extra"]["response"] = {"usage": usage}
        outputs.append(output)
    agent = DefaultAgent(
        DeterministicToolcallModel(outputs=outputs),
        LocalEnvironment(cwd=in_a_directory()),
        system_template="You work in a shell.",
        instance_template="{{task}}",
        cost_limit=0,
        output_path=Path(target),
    )
    agent.run(TASK)


def main():
    os.environ.setdefault("MSWEA_SILENT_STARTUP", "1")
    os.environ.setdefault("MSWEA_CONFIGURED", "true")
    verb, arguments = sys.argv[1], sys.argv[2:]
    if verb == "load":
        load(arguments)
    else:
        {"terminus": terminus, "convert": convert, "mini": mini}[verb](*arguments)


if __name__ == "__main__":
    main()
