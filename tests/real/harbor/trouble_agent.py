"""An agent for Harbor that gets into the trouble that its task names. It asks no model, and says that it did."""

import asyncio
import json
import re
import uuid
from pathlib import Path

from harbor.agents.base import BaseAgent


class RateLimitError(Exception):
    """By this name a client says that its provider failed."""


class TroubleAgent(BaseAgent):
    def __init__(self, *args, prompt: str, begun: str | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self._prompt = Path(prompt).read_text()
        self._begun = Path(begun) if begun else None

    @staticmethod
    def name() -> str:
        return "trouble"

    def version(self) -> str:
        return "1"

    async def setup(self, environment) -> None:
        pass

    async def run(self, instruction, environment, context) -> None:
        context.n_input_tokens, context.n_output_tokens = 10, 1
        steps = [{"step_id": 1, "source": "user", "message": instruction}, {"step_id": 2, "source": "agent", "message": "I try."}]
        agent = {"name": self.name(), "version": self.version(), "model_name": self.model_name}
        document = {"schema_version": "ATIF-v1.8", "agent": agent, "steps": steps}
        (self.logs_dir / "trajectory.json").write_text(json.dumps(document))
        what = re.search(r"Trouble: (.*)\.", instruction).group(1)
        number = re.search(r"[0-9]+", what)
        if number:
            await environment.exec(f"echo {number.group()} > /app/answer.txt")
        if self._begun:
            before = len(list(self._begun.glob("waits-*")))
            (self._begun / f"{what.split()[0]}-{uuid.uuid4()}").touch()
            if what.startswith("waits once") and before == 0:
                await asyncio.sleep(600)
        if "slow" in what:
            await asyncio.sleep(600)
        if what == "a trap":
            await environment.exec("touch /app/trap")
        if what == "no reward":
            await environment.exec("touch /app/silent")
        if what == "an exception":
            raise ValueError("what it says")
        if what == "a failing provider":
            raise RateLimitError("429: come back later")
