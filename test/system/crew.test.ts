import { expect, test } from "vitest";
import { makeCrew } from "../../system/crew.ts";

test("so many tasks run at once and no more, and all have ended at the end", async () => {
  const crew = makeCrew(3);
  let running = 0;
  const most: number[] = [];
  for (let count = 0; count < 10; count++) {
    await crew.begin(async () => {
      most.push(++running);
      await new Promise((done) => setImmediate(done));
      running -= 1;
    });
  }
  await crew.end();
  expect(running).toBe(0);
  expect(Math.max(...most)).toBe(3);
  expect(most).toHaveLength(10);
});

test("a task that fails stops the next from beginning, and the end throws what it threw", async () => {
  const crew = makeCrew(2);
  const begun: number[] = [];
  const work = async () => {
    for (let number = 0; number < 5; number++) {
      await crew.begin(async () => {
        begun.push(number);
        if (number === 1) throw new Error("disk full");
      });
    }
  };
  await expect(work()).rejects.toThrow("disk full");
  expect(begun.length).toBeLessThan(5);
  await expect(crew.end()).rejects.toThrow("disk full");
});
