"""The child process that runs a Pulumi program: sets its configuration, runs it, ends with an exit code.

Touches what the program touches; it is run by path and imports only the program from the project.
"""

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

# The interpreter puts the directory of this file first on the module search path: the files next to it
# must not shadow what the program imports.
if sys.path and Path(sys.path[0]).resolve() == Path(__file__).resolve().parent:
    del sys.path[0]

# Garbage collection took a tenth of a run, and a program that ends after seconds has next to no garbage.
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
    """The traceback from the program's first frame; all of it when the program has no frame."""
    frames = traceback.extract_tb(sys.exc_info()[2])
    entry = program if program.suffix else program / "__main__.py"
    for index, frame in enumerate(frames):
        if Path(frame.filename).resolve() == entry.resolve():
            return traceback.format_exc(limit=index - len(frames))
    return traceback.format_exc()


def _run(program: str) -> None:
    runpy.run_path(program, run_name="__main__")


def main() -> int:
    """Run the program and return 0, 1, or 32 when the message was shown already."""
    options = _arguments()
    program = Path(options.program)
    pulumi.runtime.set_all_config(pulumi.runtime.get_config_env(), pulumi.runtime.get_config_secret_keys_env())
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            project=options.project,
            stack=options.stack,
            organization=options.organization,
            root_directory=options.root_directory,
            monitor=options.monitor,
            engine=options.engine,
            parallel=options.parallel,
            dry_run=options.dry_run,
        )
    )
    sys.argv = [options.program, *options.arguments]
    if options.pwd:
        os.chdir(options.pwd)
    if not program.exists() or (program.is_dir() and not (program / "__main__.py").exists()):
        pulumi.log.error(f"unable to find main python program `__main__.py` in `{program}`")
        return SHOWN_ALREADY

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max_workers=max(options.parallel, 1) * THREADS_PER_OPERATION)
    loop.set_default_executor(executor)
    # A failed program has futures that were not awaited; asyncio would log each of them.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: _run(options.program)))
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
