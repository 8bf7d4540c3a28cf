// The SDK's own code for each function that it calls, in a transaction of its own: {function, args, commit} -> {xid} or {refused}.
// What its worker and its task context do is called as they do it; the first error that the database gave is the answer.
import pg from "pg";
import { Absurd, SuspendTask, TaskContext } from "absurd-sdk";
import { serve } from "./lines.mjs";

const [connectionString, application_name] = process.argv.slice(2);
const database = new pg.Client({ connectionString, application_name, options: "-c timezone=UTC" });
await database.connect();
const silent = () => {};
const log = { log: silent, info: silent, warn: silent, error: silent };

let refused = null;
const connection = {
  query: async (...query) => {
    try {
      return await database.query(...query);
    } catch (error) {
      refused ??= error.code;
      throw error;
    }
  },
};

const claimed = (args) => {
  const run_id = args.run_id ?? args.owner_run ?? args.task_id.slice(0, 30) + "000001";
  const rest = { task_name: "work", params: 1, attempt: 1, headers: null, wake_event: null, event_payload: null };
  return { run_id, task_id: run_id.slice(0, 30) + "000000", ...rest };
};
const context = (args) => {
  const task = claimed(args);
  const rest = { con: connection, queueName: args.queue_name, claimTimeout: 30, onLeaseExtended: silent };
  return TaskContext.create({ log, taskID: task.task_id, task, ...rest });
};
const executed = async (app, args, handler) => {
  app.registerTask({ name: "work" }, handler);
  await app.executeTask(claimed(args), 30);
};
const camel = (options) =>
  Object.fromEntries(
    Object.entries(options ?? {}).map(([key, value]) => [
      key === "spawn_new" ? "spawnNewTask" : key.replace(/_(.)/g, (_, letter) => letter.toUpperCase()),
      value,
    ]),
  );

const calls = {
  create_queue: (app, a) => app.createQueue(a.queue_name),
  drop_queue: (app, a) => app.dropQueue(a.queue_name),
  list_queues: (app) => app.listQueues(),
  get_queue_policy: (app, a) => app.getQueuePolicy(a.queue_name),
  set_queue_policy: (app, a) => app.setQueuePolicy(a.queue_name, camel(a.policy)),
  spawn_task: (app, a) => app.spawn(a.task_name, a.params, { queue: a.queue_name, ...camel(a.options) }),
  get_task_result: (app, a) => app.fetchTaskResult(a.task_id),
  cancel_task: (app, a) => app.cancelTask(a.task_id),
  retry_task: (app, a) => app.retryTask(a.task_id, camel(a.options)),
  claim_task: (app, a) => app.claimTasks({ batchSize: a.qty, claimTimeout: a.claim_timeout, workerId: a.worker_id }),
  complete_run: (app, a) => executed(app, a, async () => a.state),
  fail_run: (app, a) =>
    executed(app, a, async () => {
      throw a.reason.message;
    }),
  schedule_run: async (_app, a) => await (await context(a)).scheduleRunAfter(50),
  extend_claim: async (_app, a) => await (await context(a)).heartbeat(a.extend_by),
  set_task_checkpoint_state: async (_app, a) => await (await context(a)).step(a.step_name, async () => a.state),
  get_task_checkpoint_state: async (_app, a) => await (await context(a)).beginStep(a.step_name),
  get_task_checkpoint_states: async (_app, a) => await context(a),
  await_event: async (_app, a) => await (await context(a)).awaitEvent(a.event_name, { stepName: a.step_name, timeout: a.timeout }),
  emit_event: (app, a) => app.emitEvent(a.event_name, a.payload),
};

async function act({ function: called, args, commit }) {
  refused = null;
  await database.query("begin");
  const { rows } = await database.query("select pg_current_xact_id()::text as xid");
  let problem = null;
  try {
    await calls[called](new Absurd({ db: connection, queueName: args.queue_name, log }), args);
  } catch (error) {
    if (!(error instanceof SuspendTask)) problem = error;
  }
  await database.query(commit && refused === null && problem === null ? "commit" : "rollback");
  if (problem !== null && refused === null) throw problem;
  return refused === null ? { xid: rows[0].xid } : { refused };
}

await serve(async (request) => (request.function ? await act(request) : Object.keys(calls)));
await database.end();
