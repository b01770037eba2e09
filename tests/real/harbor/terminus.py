"""Terminus-2 with a prompt of one's own: no option of Harbor's replaces it, so it is subclassed."""

from pathlib import Path

from harbor.agents.terminus_2 import Terminus2


class Terminus(Terminus2):
    def _get_prompt_template_path(self) -> Path:
        return Path(__file__).with_name("terminus.txt")
