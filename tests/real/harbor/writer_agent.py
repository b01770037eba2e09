"""An agent of one's own for Harbor: asks an OpenAI endpoint what to run, with one tool, until the model only talks.

Its prompt is `writer.md` beside it, where Harbor is given it: what lies there is what is measured.
"""

import asyncio
import json
import urllib.request
from pathlib import Path

from harbor.agents.base import BaseAgent

TOOL = {
    "type": "function",
    "function": {
        "name": "shell",
        "description": "Runs a command.",
        "parameters": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
    },
}


class WriterAgent(BaseAgent):
    def __init__(self, *args, prompt: str, max_steps: int = 8, **kwargs):
        super().__init__(*args, **kwargs)
        self._prompt = Path(prompt).read_text()
        self._max_steps = max_steps

    @staticmethod
    def name() -> str:
        return "writer"

    def version(self) -> str:
        return "1"

    async def setup(self, environment) -> None:
        pass

    def _ask(self, messages):
        model = self.model_name.split("/", 1)[1]
        body = json.dumps({"model": model, "messages": messages, "tools": [TOOL]}).encode()
        headers = {"content-type": "application/json", "authorization": f"Bearer {self._get_env('OPENAI_API_KEY')}"}
        request = urllib.request.Request(self._get_env("OPENAI_BASE_URL") + "/chat/completions", body, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    async def run(self, instruction, environment, context) -> None:
        messages = [{"role": "system", "content": self._prompt}, {"role": "user", "content": instruction}]
        steps = [
            {"step_id": 1, "source": "system", "message": self._prompt},
            {"step_id": 2, "source": "user", "message": instruction},
        ]
        context.n_input_tokens = context.n_output_tokens = 0
        try:
            for _ in range(self._max_steps):
                answer = await asyncio.to_thread(self._ask, messages)
                message, usage = answer["choices"][0]["message"], answer.get("usage") or {}
                context.n_input_tokens += usage.get("prompt_tokens", 0)
                context.n_output_tokens += usage.get("completion_tokens", 0)
                messages.append(message)
                step = {"step_id": len(steps) + 1, "source": "agent", "message": message.get("content") or ""}
                steps.append(step)
                calls = message.get("tool_calls") or []
                if not calls:
                    break
                step["tool_calls"], results = [], []
                for call in calls:
                    arguments = json.loads(call["function"]["arguments"])
                    ran = await environment.exec(arguments["command"], timeout_sec=60)
                    output = (ran.stdout or "") + (ran.stderr or "")
                    messages.append({"role": "tool", "tool_call_id": call["id"], "content": output})
                    step["tool_calls"].append(
                        {"tool_call_id": call["id"], "function_name": call["function"]["name"], "arguments": arguments}
                    )
                    results.append(
                        {"source_call_id": call["id"], "content": output, "extra": {"exit_code": ran.return_code}}
                    )
                step["observation"] = {"results": results}
        finally:
            agent = {"name": self.name(), "version": self.version(), "model_name": self.model_name}
            document = {"schema_version": "ATIF-v1.8", "agent": agent, "steps": steps}
            (self.logs_dir / "trajectory.json").write_text(json.dumps(document))
