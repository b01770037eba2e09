"""The native agent of self-harness in any environment of Harbor's.

Harbor imports it. It starts the program of self-harness, which asks the model, and does in the environment what the tools of the
harness ask for: a line of JSON out is an answer, a line in is a command or the end. The key of the model stays on this machine.
"""

import asyncio
import json
import os
import shlex

from harbor.agents.base import BaseAgent

# How long the program may take to write its transcript when the time of the agent is over.
PATIENCE = 10


class NativeAgent(BaseAgent):
    def __init__(self, *args, program: str, harness: str, **kwargs):
        super().__init__(*args, **kwargs)
        self._program = program
        self._harness = harness

    @staticmethod
    def name() -> str:
        return "self-harness"

    def version(self) -> str:
        return "1"

    async def setup(self, environment) -> None:
        pass

    async def run(self, instruction, environment, context) -> None:
        workdir = environment.task_env_config.workdir
        if not workdir:
            workdir = ((await environment.exec("pwd")).stdout or "/").strip()
        child = await asyncio.create_subprocess_exec(
            self._program,
            "__harbor-native",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 26,
            env={**os.environ, **self._extra_env},
        )
        seed = self._extra_env.get("SELF_HARNESS_SEED")
        asked = {
            "instruction": instruction,
            "workdir": workdir,
            "harness": self._harness,
            "logs": str(self.logs_dir),
            "seed": int(seed) if seed else None,
        }
        try:
            done = await self._talk(child, asked, environment)
        finally:
            # A program that hears nobody any more writes its transcript and ends.
            child.stdin.close()
            try:
                await asyncio.wait_for(asyncio.shield(child.wait()), PATIENCE)
            except asyncio.TimeoutError:
                child.kill()
        if done is None:
            raise RuntimeError("the program of self-harness ended without a word")
        for key in ("n_input_tokens", "n_cache_tokens", "n_output_tokens", "cost_usd"):
            setattr(context, key, done[key])
        context.metadata = {"end": done["end"]}
        if done["void"]:
            # By these names self-harness knows again what it was.
            name = {True: "AgentAuthenticationError", False: "ApiProviderError"}[done["pauses"]]
            name = name if done["void"] == "provider" else "NativeAgentError"
            raise type(name, (Exception,), {})(f"{done['void']}: {done['detail']}")

    async def _talk(self, child, asked, environment):
        await self._say(child, asked)
        while line := await child.stdout.readline():
            document = json.loads(line)
            if "done" in document:
                return document["done"]
            await self._say(child, await self._exec(document["exec"], environment))
        return None

    async def _say(self, child, document):
        child.stdin.write((json.dumps(document) + "\n").encode())
        await child.stdin.drain()

    async def _exec(self, asked, environment):
        command = shlex.join(asked["argv"])
        if asked["stdin"]:
            command += " < " + shlex.quote(asked["stdin"])
        seconds = int(asked["timeout_sec"])
        try:
            ran = await asyncio.wait_for(
                environment.exec(command, cwd=asked["directory"], env=asked["env"] or None, timeout_sec=seconds),
                seconds + 15,
            )
        except asyncio.TimeoutError:
            return {"code": None}
        except Exception as error:
            # Environments have no common word for it.
            if "timed out" in str(error).lower():
                return {"code": None}
            return {"failed": f"{type(error).__name__}: {error}"}
        return {"code": ran.return_code, "out": ran.stdout or "", "err": ran.stderr or ""}
