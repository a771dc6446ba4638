"""One process with managers that answer requests under a quota, for `quota_cases`.

It reads its task as one line of JSON, prints a line when it is ready, and starts at the next line it reads.
At the end it prints, as JSON, how many requests were answered.
"""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import dataclass
from typing import Any

from llmmanager import BedrockConverseRequest, ModelQuota, ParallelLLMManager, ParallelProcessingConfig

MODEL = "Nova Lite"


@dataclass(frozen=True, kw_only=True)
class Task:
    """What one process does.

    Attributes:
        requests: of each manager.
        managers: each on a thread of its own.
        known: tokens per window of the whole quota, of which each process uses `share`; None for unknown.
    """

    requests: int
    managers: int
    concurrency: int
    max_tokens: int
    regions: list[str]
    known: float | None = None
    share: float = 1.0

    def quotas(self) -> list[ModelQuota]:
        """The quotas that each manager is given."""
        return [] if self.known is None else [ModelQuota(MODEL, tokens_per_minute=self.known)]


def main() -> None:
    """Carry out the task that standard input describes."""
    task = Task(**json.loads(sys.stdin.readline()))
    managers = [_manager(task) for _ in range(task.managers)]
    print("ready", flush=True)
    sys.stdin.readline()
    answered = [0] * task.managers
    threads = [
        threading.Thread(target=_answer, args=(task, manager, answered, number))
        for number, manager in enumerate(managers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"answered": sum(answered)}), flush=True)


def _manager(task: Task) -> ParallelLLMManager:
    return ParallelLLMManager(
        [MODEL],
        task.regions,
        parallel_config=ParallelProcessingConfig(max_concurrent_requests=task.concurrency),
        quotas=task.quotas(),
        quota_share=task.share,
    )


def _answer(task: Task, manager: ParallelLLMManager, answered: list[int], number: int) -> None:
    result = manager.converse_parallel([_request(task, number, one) for one in range(task.requests)])
    answered[number] = sum(response.success for response in result.request_responses.values())
    for response in result.request_responses.values():
        if not response.success:
            print(f"not answered: {response.get_last_error()}", file=sys.stderr)


def _request(task: Task, manager: int, number: int) -> BedrockConverseRequest:
    message: dict[str, Any] = {"role": "user", "content": [{"text": f"Summarise report {manager}-{number}."}]}
    return BedrockConverseRequest(messages=[message], inference_config={"maxTokens": task.max_tokens})


if __name__ == "__main__":
    main()
