import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { openQmp } from "../../../../image/lab/machine/qmp.ts";

/** A fake QEMU that answers each command with the result of `answer`. */
function qemu(answer: (qmp: string) => object) {
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
  return { qmp: openQmp(stdin, stdout), seen, stdout };
}

test("commands wait until QEMU is ready, and each gets its own answer, even with events in between", async () => {
  const { qmp, seen } = qemu((name) => ({ return: { did: name } }));
  expect(await Promise.all([qmp("stop"), qmp("cont")])).toEqual([{ did: "stop" }, { did: "cont" }]);
  expect(seen[0]).toBe("qmp_capabilities");
});

test("a command that QEMU refuses gives an error with its reason", async () => {
  const { qmp } = qemu((name) =>
    name === "migrate" ? { error: { class: "E", desc: "nvme is not migratable" } } : { return: {} },
  );
  await expect(qmp("migrate")).rejects.toMatchObject({
    code: "lab.machineRefused",
    message: expect.stringContaining("nvme is not migratable"),
  });
});

test("when QEMU ends, pending and later commands fail", async () => {
  const { qmp, stdout } = qemu(() => ({ return: {} }));
  await qmp("stop");
  const waits = expect(qmp("never answered")).resolves.toBeDefined();
  await waits;
  stdout.end();
  await new Promise((resolve) => stdout.once("close", resolve));
  await expect(qmp("cont")).rejects.toMatchObject({ code: "lab.machineRefused" });
});
