// A queue runs its tasks one at a time, in order, and survives those that fail.
import fc from "fast-check";
import { expect, test } from "vitest";
import { makeQueue } from "../../system/queue.ts";

test("whatever the tasks do, none starts before the one ahead of it has ended, and each caller gets its own result", async () => {
  const task = fc.record({ ticks: fc.nat(5), fails: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(task, { maxLength: 12 }), async (tasks) => {
      const inTurn = makeQueue();
      const order: string[] = [];
      const results = await Promise.allSettled(
        tasks.map(({ ticks, fails }, index) =>
          inTurn(async () => {
            order.push(`begin ${index}`);
            for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
            order.push(`end ${index}`);
            if (fails) throw index;
            return index;
          }),
        ),
      );
      expect(order).toEqual(tasks.flatMap((_, index) => [`begin ${index}`, `end ${index}`]));
      expect(results).toEqual(
        tasks.map(({ fails }, index) =>
          fails ? { status: "rejected", reason: index } : { status: "fulfilled", value: index },
        ),
      );
    }),
  );
});

test("a task that throws at once rejects for its caller and stops nobody", async () => {
  const inTurn = makeQueue();
  const failing = inTurn(() => {
    throw new Error("broken");
  });
  const next = inTurn(() => "runs");
  await expect(failing).rejects.toThrow("broken");
  expect(await next).toBe("runs");
});
