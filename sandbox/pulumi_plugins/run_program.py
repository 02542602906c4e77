"""The child process in which a Pulumi program runs: settings in, resources registered, an exit code out.

May touch whatever the program touches; it is run by path and imports nothing of the project but the program.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# Run by path, the interpreter puts this file's directory first on the module search path: its neighbours
# must not shadow what the program imports.
if sys.path and Path(sys.path[0]).resolve() == Path(__file__).resolve().parent:
    del sys.path[0]

# A tenth of a run went into looking for garbage, of which a program that ends after seconds makes next to none.
gc.disable()

import pulumi  # noqa: E402
import pulumi.runtime  # noqa: E402

SHOWN_ALREADY = 32
THREADS_PER_OPERATION = 4


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run a Pulumi program for the engine.")
    for name in ("project", "stack", "organization", "root-directory", "monitor", "engine", "pwd"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("program")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser.parse_args()


def _users_part_of_the_traceback(program: Path) -> str:
    """The traceback from the program's first frame on; all of it when the program has no frame."""
    frames = traceback.extract_tb(sys.exc_info()[2])
    entry = program if program.suffix else program / "__main__.py"
    for index, frame in enumerate(frames):
        if Path(frame.filename).resolve() == entry.resolve():
            return traceback.format_exc(limit=index - len(frames))
    return traceback.format_exc()


def _run(program: str) -> None:
    runpy.run_path(program, run_name="__main__")


def main() -> int:
    """Run the program and answer 0, 1, or 32 when the message has been shown already."""
    asked = _arguments()
    program = Path(asked.program)
    pulumi.runtime.set_all_config(pulumi.runtime.get_config_env(), pulumi.runtime.get_config_secret_keys_env())
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            project=asked.project,
            stack=asked.stack,
            organization=asked.organization,
            root_directory=asked.root_directory,
            monitor=asked.monitor,
            engine=asked.engine,
            parallel=asked.parallel,
            dry_run=asked.dry_run,
        )
    )
    sys.argv = [asked.program, *asked.arguments]
    if asked.pwd:
        os.chdir(asked.pwd)
    if not program.exists() or (program.is_dir() and not (program / "__main__.py").exists()):
        pulumi.log.error(f"unable to find main python program `__main__.py` in `{program}`")
        return SHOWN_ALREADY

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max_workers=max(asked.parallel, 1) * THREADS_PER_OPERATION)
    loop.set_default_executor(executor)
    # A failed program leaves futures nobody awaited; that is harmless, and asyncio would say it at length.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: _run(asked.program)))
        return 0
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return SHOWN_ALREADY
    except Exception:  # noqa: BLE001 - whatever the user's program raises is the user's to read
        pulumi.log.error(f"Program failed with an unhandled exception:\n{_users_part_of_the_traceback(program)}")
        return SHOWN_ALREADY
    finally:
        executor.shutdown(wait=True)
        loop.close()
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
