"""Instructions that PostgreSQL executes for one call: a number that other work on the machine does not change.

    python bench/instructions.py [CALL ...]

A single-user server runs under valgrind's callgrind, once with few calls and once with more; the difference is what a call costs, warm.
Needs valgrind. It counts no waiting and no disk: for those there is run.py.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg

from tollway.embedded import EmbeddedPostgres
from tollway.embedded.binaries import Binaries
from tollway.embedded.throwaway import throwaway_folder
from tollway.schema import install

WARM = 20
TASK = '{"task_name": "noop", "params": {"number": 1}, "options": {"max_attempts": 5}}'
BULK = f"select count(*) from absurd.spawn_tasks('q', (select jsonb_agg('{TASK}'::jsonb) from generate_series(1, @)))"
REQUEST = '"queue": "q", "worker": "w", "instance": "00000000-0000-4000-8000-000000000001", "call": 1, "resend": false, "brief": true'
# a look that takes 5 ms is told where to look from: under valgrind each would be
QUICK = """do $$ begin
  execute replace(pg_get_functiondef('absurd._marks'::regproc), 'interval ''5 milliseconds''', 'interval ''1 hour''');
end $$"""
CLAIM = "select absurd.worker_sync('{" + REQUEST + ', "ops": [], "claim": {"qty": @, "lease": 36000}}\'::jsonb)'
COMPLETE = (
    "select absurd.worker_sync('{"
    + REQUEST
    + """, "claim": null}'::jsonb || jsonb_build_object('ops', jsonb_build_array(
    jsonb_build_object('n', 0, 'op', 'complete', 'epoch', 1, 'result', 1, 'task_id',
      (select task_id from absurd.task where state = 'running' order by claim_expires_at limit 1)))))"""
)
RUNNING = [BULK, "select count(*) from absurd.claim_tasks('q', 'w', 600, @)", "vacuum analyze absurd.task"]
# The requests of a worker, as it would have them ready: each takes the next @ tasks, so that no row is dead or recorded before.
REQUESTS = (
    """create table request as select g - 1 as call, '{"""
    + REQUEST
    + """, "claim": null, "ops": ' || ops || '}' as wire
    from (select (i - 1) / @ + 1 as g, '[' || string_agg(%s, ', ' order by i) || ']' as ops
      from (select row_number() over () as i, task_id from absurd.task) t group by 1) o"""
)
OPERATION = """format('{"task_id": "%%s", "epoch": 1, "n": %%s, "op": %s}', task_id, 2 * i)"""
STEP = OPERATION % '"checkpoint", "step": "first step", "state": 1, "duration_ms": 0.0123'
END = OPERATION % '"complete", "result": 1'
MIXED = f"""case i % @ when 0 then {OPERATION % '"fail", "reason": {"message": "no"}'} when 1 then {OPERATION % '"sleep", "seconds": 60'}
    else {STEP} || ', ' || {END.replace("2 * i", "2 * i + 1")} end"""
NEXT = ["create sequence call", "create index on request (call)", "vacuum analyze request"]
SAY = "select absurd.worker_sync((select wire from request where call = (select nextval('call') - 1))::jsonb)"
# The same steps in arrays, as record_steps takes them.
STEPS = """create table request as select g - 1 as call, format('{%s}', string_agg(task_id::text, ',' order by task_id))::uuid[] as ids
    from (select (row_number() over (order by task_id) - 1) / @ + 1 as g, task_id from absurd.task) t group by 1"""
RECORD = """select absurd.record_steps('q', r.ids::text::uuid[], array_fill(1::bigint, array[@]), array_fill('first step'::text, array[@]),
    ('[' || repeat('1, ', @ - 1) || '1]')::jsonb, array_fill(0.0123::double precision, array[@]))
    from request r where call = (select nextval('call') - 1)"""


def of(text: str, number: int) -> str:
    return text.replace("@", str(number))


def requesting(requests: str, say: str, tasks: int, calls: int) -> tuple[int, list[str], str]:
    """A call about so many tasks, each of which takes the next of the requests made ready."""
    running = [of(text, (WARM + calls) * tasks) for text in RUNNING]
    return calls, [*running, of(requests, tasks), *NEXT], of(say, tasks)


CALLS: dict[str, tuple[int, list[str], str]] = {
    # calls counted, what is done before, the call
    "start": (30, [], "select * from absurd.spawn_task('q', 'noop', '{\"number\": 1}', '{\"max_attempts\": 5}')"),
    "start 200": (4, [], of(BULK, 200)),
    "idle look": (30, [], of(CLAIM, 220)),
    "claim one": (30, [of(BULK, 80)], of(CLAIM, 1)),
    "claim 200": (4, [of(BULK, 5000), "vacuum analyze absurd.task"], of(CLAIM, 200)),
    "complete one": (30, [of(BULK, 80), "select count(*) from absurd.claim_task('q', 'w', 600, 80)"], COMPLETE),
    "ten mixed": requesting(REQUESTS % MIXED, SAY, 6, 30),
    "step 200": requesting(REQUESTS % STEP, SAY, 200, 5),
    "complete 200": requesting(REQUESTS % END, SAY, 200, 5),
    "200 steps recorded": requesting(STEPS, RECORD, 200, 5),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("calls", nargs="*", metavar="CALL", help=f"default: all of {', '.join(CALLS)}")
    chosen = parser.parse_args().calls or list(CALLS)
    if unknown := set(chosen) - set(CALLS):
        parser.error(f"no such call: {', '.join(sorted(unknown))}")
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        parser.error("valgrind is not installed (Debian: apt install valgrind)")
    with tempfile.TemporaryDirectory(dir=throwaway_folder()) as folder:
        made = Path(folder) / "made"
        with EmbeddedPostgres(made) as server:
            install(server.dsn)
            with psycopg.connect(server.dsn, autocommit=True) as connection:
                connection.execute("select absurd.create_queue('q')")
                connection.execute(QUICK)
                connection.execute("vacuum analyze")
        for name in chosen:
            number, before, call = CALLS[name]
            few, many = (_counted(valgrind, made, before, call, calls) for calls in (WARM, WARM + number))
            print(f"{name:18} {(many - few) // number:>12,} instructions", flush=True)
    return 0


def _counted(valgrind: str, made: Path, before: list[str], call: str, calls: int) -> int:
    """Of a whole run, in a copy of the database."""
    copy = made.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(made, copy, copy_function=shutil.copy2)
    binaries = Binaries.find(18)
    if binaries.user is not None:
        for path in (copy, *copy.rglob("*")):
            shutil.chown(path, binaries.user)
        binaries.own(copy)
    script = [*before, f"prepare call as {call}", *["execute call"] * calls]
    server = (str(binaries.path / "postgres"), "--single", "-F", "-j", "-D", str(copy), "postgres")
    done = subprocess.run(
        [valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null", *server],
        input="".join(" ".join(statement.split()) + ";\n\n" for statement in script),
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
        **binaries.identity(),
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if found is None or "ERROR:" in done.stdout + done.stderr:
        raise SystemExit(f"the server did not run the calls:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return int(found[1])


if __name__ == "__main__":
    sys.exit(main())
