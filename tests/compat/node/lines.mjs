// A program that is told what to do in JSON, a request a line, and answers each with a line.
import { createInterface } from "node:readline";

/** Answer every request {id, ...} with {id, value} or {id, error: {name, message, code}}, several at once. */
export async function serve(answer) {
  const pending = new Set();
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, ...request } = JSON.parse(line);
    const reply = (rest) => process.stdout.write(JSON.stringify({ id, ...rest }) + "\n");
    const done = answer(request)
      .then((value) => reply({ value: value ?? null }))
      .catch((error) => reply({ error: { name: error.name, message: error.message, code: error.code ?? null } }))
      .finally(() => pending.delete(done));
    pending.add(done);
  }
  await Promise.all(pending);
}
