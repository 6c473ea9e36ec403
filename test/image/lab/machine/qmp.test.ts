import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { openQmp } from "../../../../image/lab/machine/qmp.ts";

/** A fake QEMU that answers each command with the result of `answer`. */
function qemu(answer: (order: string) => object) {
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  const seen: string[] = [];
  stdout.write('{"QMP": {"version": {}}}\n');
  stdin.setEncoding("utf8").on("data", (text: string) => {
    for (const line of text.trim().split("\n")) {
      const { execute, id } = JSON.parse(line) as { execute: string; id: number };
      seen.push(execute);
      stdout.write('{"event": "STOP", "timestamp": {}}\n');
      stdout.write(`${JSON.stringify({ ...answer(execute), id })}\n`);
    }
  });
  return { order: openQmp(stdin, stdout), seen, stdout };
}

test("commands wait until QEMU is ready, and each gets its own answer, even with events in between", async () => {
  const { order, seen } = qemu((name) => ({ return: { did: name } }));
  expect(await Promise.all([order("stop"), order("cont")])).toEqual([{ did: "stop" }, { did: "cont" }]);
  expect(seen[0]).toBe("qmp_capabilities");
});

test("a command that QEMU refuses gives an error with its reason", async () => {
  const { order } = qemu((name) =>
    name === "migrate" ? { error: { class: "E", desc: "nvme is not migratable" } } : { return: {} },
  );
  await expect(order("migrate")).rejects.toMatchObject({
    code: "lab.machineRefused",
    message: expect.stringContaining("nvme is not migratable"),
  });
});

test("when QEMU ends, pending and later commands fail", async () => {
  const { order, stdout } = qemu(() => ({ return: {} }));
  await order("stop");
  const waits = expect(order("never answered")).resolves.toBeDefined();
  await waits;
  stdout.end();
  await new Promise((resolve) => stdout.once("close", resolve));
  await expect(order("cont")).rejects.toMatchObject({ code: "lab.machineRefused" });
});
