// Pool change process: a stream of changes from a separate process, which yields to the measured ones.
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { yieldProcess } from './machine.ts';
import { AdminClient, ChangeStream } from './pool-change-stream.ts';
import { runToEnd } from './processes.ts';

const task = z.strictObject({
  adminPort: z.number(),
  kind: z.enum(['weights', 'membership']),
  targets: z.array(z.strictObject({ address: z.string(), port: z.number() })),
  perSecond: z.number(),
  seconds: z.number(),
});

/** What to change, how often, and for how long. */
export type ChangeTask = Readonly<z.infer<typeof task>>;

const outcome = z.strictObject({ rate: z.number(), failed: z.number() });

/** Completed changes a second, and how many failed. */
export type ChangeOutcome = Readonly<z.infer<typeof outcome>>;

const timeoutMs = 30_000;

/** Carries out a task on these cores. Resolves once the pool is as before. */
export async function changePool(wanted: ChangeTask, cores: readonly number[]): Promise<ChangeOutcome> {
  const args = ['-C', 'weldr-source', fileURLToPath(import.meta.url), JSON.stringify(wanted)];
  const output = await runToEnd(process.execPath, args, {
    cores,
    timeoutMs: wanted.seconds * 1000 + timeoutMs,
  });
  return outcome.parse(JSON.parse(output));
}

async function carryOut({
  adminPort,
  kind,
  targets,
  perSecond,
  seconds,
}: ChangeTask): Promise<ChangeOutcome> {
  yieldProcess(process.pid);
  const admin = new AdminClient(adminPort);
  const stream = new ChangeStream(admin, kind, targets, perSecond);
  await sleep(seconds * 1000);
  const { rate } = stream;
  await stream.stop();
  admin.close();
  return { rate, failed: stream.failed };
}

if (import.meta.main) {
  console.log(JSON.stringify(await carryOut(task.parse(JSON.parse(process.argv[2] ?? '')))));
}
