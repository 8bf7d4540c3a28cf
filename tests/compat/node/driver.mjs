// Runs absurd-sdk as its users do: an Absurd client a queue, handlers, a worker. It is told what to call, see lines.mjs.
import pg from "pg";
import { Absurd, TimeoutError } from "absurd-sdk";
import { serve } from "./lines.mjs";

const pool = new pg.Pool({ connectionString: process.argv[2], application_name: "compat: node" });
const log = { log: console.error, info: console.error, warn: console.error, error: console.error };
const clients = new Map();
const workers = new Map();
const fallen = new Set();
const seen = { started: 0, beats: 0, steps: 0, errors: [] };
const held = new Set(); // the queues whose handlers hold

const hooks = {
  beforeSpawn: (name, _params, options) => ({ ...options, headers: { ...options.headers, spawned: name } }),
  wrapTaskExecution: async (_ctx, execute) => {
    seen.started += 1;
    return await execute();
  },
};

const handlers = {
  async steps(params, ctx) {
    const counted = (value) => async () => ((seen.steps += 1), value);
    const first = await ctx.step("first", counted({ n: params.n, "käse": [null, "ü", 1.5] }));
    const again = [await ctx.step("again", counted(1)), await ctx.step("again", counted(2))];
    const handle = await ctx.beginStep("decomposed");
    const parts = handle.done ? handle.state : await ctx.completeStep(handle, { done: handle.done });
    if (seen.steps <= params.fallAfter) throw new Error("fell after its steps");
    return { first, again, parts, headers: ctx.headers, task: ctx.taskID };
  },
  async sleeps(params, ctx) {
    await ctx.sleepFor("nap", params.seconds);
    await ctx.sleepUntil("past", new Date(0));
    return "awake";
  },
  async waits(params, ctx) {
    try {
      return { payload: await ctx.awaitEvent(params.event, params.options) };
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error;
      return { timedOut: error.message };
    }
  },
  async fails(params) {
    throw new Error(params.message);
  },
  async holds(params, ctx, queue) {
    held.add(queue);
    while (held.has(queue)) {
      await ctx.heartbeat(params.seconds);
      seen.beats += 1;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return "released";
  },
  async emits(params, ctx) {
    await ctx.emitEvent(params.event, params.payload);
    return null;
  },
  async parent(params, ctx) {
    const child = await ctx.step("spawn", async () => await client(params.queue).spawn("steps", { n: 7 }));
    return await ctx.awaitTaskResult(child.taskID, { queue: params.queue, timeout: 30 });
  },
  // the same name and steps as a handler of our own worker has
  async shared(params, ctx) {
    const first = await ctx.step("first", async () => "node");
    if (params.fall === "node" && !fallen.has(ctx.taskID)) {
      fallen.add(ctx.taskID); // once, so that this SDK may go on itself
      throw new Error("the first half is done");
    }
    return [first, await ctx.step("second", async () => "node")];
  },
};

function client(queue) {
  if (!clients.has(queue)) {
    const made = new Absurd({ db: pool, queueName: queue, log, hooks });
    for (const [name, handler] of Object.entries(handlers)) {
      made.registerTask({ name, defaultMaxAttempts: 3 }, (params, ctx) => handler(params, ctx, queue));
    }
    clients.set(queue, made);
  }
  return clients.get(queue);
}

const own = {
  startWorker: async (queue, options) => {
    const onError = (error) => seen.errors.push(error.message);
    workers.set(queue, await client(queue).startWorker({ pollInterval: 0.02, onError, ...options }));
  },
  closeWorker: async (queue) => await workers.get(queue).close(),
  release: async (queue) => held.delete(queue),
  seen: async () => seen,
  claimTasks: async (queue, options) => await client(queue).claimTasks(options),
  spawnIn: async (queue, end, ...args) => {
    const connection = await pool.connect();
    try {
      await connection.query("begin");
      const spawned = await client(queue).bindToConnection(connection).spawn(...args);
      await connection.query(end);
      return spawned;
    } finally {
      connection.release();
    }
  },
};

await serve(async ({ queue, call, args }) => {
  return own[call] ? await own[call](queue, ...args) : await client(queue)[call](...args);
});
await Promise.all([...workers.values()].map((worker) => worker.close()));
await pool.end();
