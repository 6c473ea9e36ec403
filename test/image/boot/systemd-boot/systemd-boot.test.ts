import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { HamletError } from "../../../../system/error.ts";
import { startTrial, streamOf } from "../bench.ts";
import { bootControlContract } from "../contract.ts";
import { makeKernel, type RenameLeaves, type SystemdBootBench, setRenameLeaves, systemdBootBench } from "./bench.ts";

describe.each<RenameLeaves>(["bothNames", "emptyName", "shortName"])(
  "systemd-boot, where a cut rename leaves %s",
  (leaves) => {
    beforeAll(() => setRenameLeaves(leaves));
    bootControlContract(() => systemdBootBench(), { tries: 3, neverUp: "triesUsedUp" });
  },
);

let bench: SystemdBootBench;
afterEach(() => bench?.dispose());
const device = async (options = {}) => {
  bench = await systemdBootBench(options);
  return bench.start({ kind: "power" });
};
const names = () => readdirSync(bench.folder).sort();
const refusal = (code: string) => expect.objectContaining({ code, hint: expect.any(String) });

test("a trial gets a counted name, the loader counts it down, and a commit removes the count", async () => {
  const first = await device();
  await first.control.stage("b", await bench.writeSlot("b", "1.1"));
  expect(names()).toEqual(["hamlet_1.0.efi", "hamlet_1.1+3.efi"]);
  const trial = await bench.start({ kind: "reboot" });
  expect(names()).toEqual(["hamlet_1.0.efi", "hamlet_1.1+2-1.efi"]);
  await trial.control.commit();
  expect(names()).toEqual(["hamlet_1.0.efi", "hamlet_1.1.efi"]);
  expect(readFileSync(join(bench.folder, "hamlet_1.1.efi"))).toEqual(makeKernel("b", "1.1"));
});

test("a bad verdict leaves no tries, and the state keeps how often the trial started", async () => {
  const first = await device();
  const trial = await startTrial(bench, first, "1.1");
  await trial.control.markBad();
  expect(names()).toEqual(["hamlet_1.0.efi", "hamlet_1.1+0-1.efi"]);
});

test("a bad release does not start again under the short name that a cut rename leaves", async () => {
  setRenameLeaves("shortName");
  const first = await device();
  const trial = await startTrial(bench, first, "1.1");
  // After the record and the kernel, the name.
  bench.power.cutAt(2, "half");
  await expect(trial.control.markBad()).rejects.toThrow();
  expect(names()).toEqual(["HAMLET~1.EFI", "hamlet_1.0.efi", "hamlet_1.1+0-1.efi"]);
  const back = await bench.start({ kind: "power" });
  expect(await back.control.current()).toMatchObject({ phase: "reverted", slot: "a", because: "markedBad" });
});

test("a trial whose counter a cut rename has lost is judged all the same", async () => {
  const first = await device();
  await first.control.stage("b", await bench.writeSlot("b", "1.1"));
  await first.control.reboot();
  // What the loader's own rename leaves.
  renameSync(join(bench.folder, "hamlet_1.1+3.efi"), join(bench.folder, "HAMLET~1.EFI"));
  const trial = await bench.start({ kind: "reboot" });
  expect(await trial.control.current()).toEqual({
    ...{ phase: "trying", slot: "b", version: "1.1", triesLeft: 0, isMarkedBad: false },
  });
  await trial.control.markBad();
  expect(await bench.start({ kind: "power" })).toMatchObject({ slot: "a", version: "1.0" });
  const again = await device();
  await again.control.stage("b", await bench.writeSlot("b", "1.1"));
  await again.control.reboot();
  renameSync(join(bench.folder, "hamlet_1.1+3.efi"), join(bench.folder, "HAMLET~1.EFI"));
  await (await bench.start({ kind: "reboot" })).control.commit();
  expect(names()).toEqual(["hamlet_1.0.efi", "hamlet_1.1.efi"]);
});

test("without our own record, the loader's count still shows why a trial failed", async () => {
  const first = await device();
  await first.control.stage("b", await bench.writeSlot("b", "1.1"));
  renameSync(join(bench.folder, "hamlet_1.1+3.efi"), join(bench.folder, "hamlet_1.1+0-3.efi"));
  expect(await first.control.rollbackReason()).toBe("triesUsedUp");
  renameSync(join(bench.folder, "hamlet_1.1+0-3.efi"), join(bench.folder, "hamlet_1.1+0-1.efi"));
  expect(await first.control.rollbackReason()).toBe("markedBad");
});

test("a requested trial that the loader skipped counts as never booted", async () => {
  const first = await device();
  await first.control.stage("b", await bench.writeSlot("b", "1.1"));
  await first.control.reboot();
  // The user chose the old entry in the loader's menu.
  const hidden = join(bench.folder, "hamlet_1.1+3.efi");
  renameSync(hidden, `${hidden}.hidden`);
  const again = await bench.start({ kind: "reboot" });
  renameSync(`${hidden}.hidden`, hidden);
  expect(await again.control.rollbackReason()).toBe("neverBooted");
});

test.each(["hamlet_x.efi", "hamlet_1.1+3.efi", "hamlet_1.1.efi", "hamlet_1.1.new", "HAMLET~1.EFI"])(
  "a folder called %s keeps no update from being staged and committed",
  async (name) => {
    const first = await device();
    mkdirSync(join(bench.folder, name, "within"), { recursive: true });
    expect(await first.control.current()).toEqual({ phase: "settled", slot: "a", version: "1.0" });
    await first.control.stage("b", await bench.writeSlot("b", "1.1"));
    const trial = await bench.start({ kind: "reboot" });
    await trial.control.commit();
    expect(names().filter((one) => one !== "HAMLET~1.EFI")).toEqual(["hamlet_1.0.efi", "hamlet_1.1.efi"]);
  },
);

test.each(["hamlet_+3.efi", "hamlet_99.efi", "hamlet_x+1-1.efi", "hamlet_x.new", "\ufffd\u0001.efi", "hamlet_ä b.efi"])(
  "garbage called %j keeps no update from being staged and committed",
  async (name) => {
    const first = await device();
    writeFileSync(join(bench.folder, name), Buffer.alloc(3000, 0x5a));
    expect(await first.control.current()).toEqual({ phase: "settled", slot: "a", version: "1.0" });
    await first.control.stage("b", await bench.writeSlot("b", "1.1"));
    const trial = await bench.start({ kind: "reboot" });
    await trial.control.commit();
    expect(names()).toEqual(expect.arrayContaining(["hamlet_1.0.efi", "hamlet_1.1.efi"]));
  },
);

test("a copy of the running kernel under another name is not taken for the running release", async () => {
  const first = await device();
  // Before the original in a listing of the folder, and newer by its name.
  for (const name of ["hamlet_0x.efi", "hamlet_99.efi"])
    writeFileSync(join(bench.folder, name), makeKernel("a", "1.0"));
  expect(await first.control.current()).toEqual({ phase: "settled", slot: "a", version: "1.0" });
  await first.control.stage("b", await bench.writeSlot("b", "1.1"));
  expect(await bench.start({ kind: "reboot" })).toMatchObject({ slot: "b", version: "1.1" });
});

test("staging removes leftovers of the other slot and of interrupted writes, and nothing else", async () => {
  const first = await device();
  const trial = await startTrial(bench, first, "1.1");
  await trial.control.commit();
  for (const name of ["hamlet_0.9.new", "hamlet_0.8.efi", "hamlet_7+1-2.efi", "debian.efi"]) {
    writeFileSync(join(bench.folder, name), "garbage");
  }
  await trial.control.stage("a", await bench.writeSlot("a", "1.2"));
  expect(names()).toEqual(["debian.efi", "hamlet_1.1.efi", "hamlet_1.2+3.efi"]);
});

describe("staging refuses, and writes nothing,", () => {
  const refuses = async (
    code: string,
    spoil: (candidate: Awaited<ReturnType<SystemdBootBench["writeSlot"]>>) => void,
    options = {},
  ) => {
    const first = await device(options);
    const candidate = await bench.writeSlot("b", "1.1");
    spoil(candidate);
    bench.power.restore();
    await expect(first.control.stage("b", candidate)).rejects.toEqual(refusal(code));
    expect(bench.power.writes()).toBe(0);
  };

  test("if the running slot has no blessed kernel to return to", async () => {
    await refuses("boot.noGoodEntry", () =>
      renameSync(join(bench.folder, "hamlet_1.0.efi"), join(bench.folder, "hamlet_1.0+1-2.efi")),
    );
  });
  test("if that kernel is truncated", async () => {
    await refuses("boot.noGoodEntry", () => truncateSync(join(bench.folder, "hamlet_1.0.efi"), 1100));
  });
  test("without room on the EFI partition", async () => {
    await refuses("boot.noRoom", () => {}, { freeBytes: 1000 });
  });
  test("without a kernel", async () => {
    await refuses("boot.slotNotReady", (candidate) => delete candidate.kernel);
  });
  test("an empty kernel", async () => {
    await refuses("boot.slotNotReady", (candidate) => {
      candidate.kernel = streamOf(Buffer.alloc(0));
    });
  });
  test("a kernel for the other slot", async () => {
    await refuses("boot.slotNotReady", (candidate) => {
      candidate.kernel = streamOf(makeKernel("a", "1.1"));
    });
  });
  test("a kernel that names no slot, and a file that is not a kernel", async () => {
    await refuses("boot.slotNotReady", (candidate) => {
      candidate.kernel = streamOf(makeKernel("?", "1.1"));
    });
    bench.dispose();
    await refuses("boot.slotNotReady", (candidate) => {
      candidate.kernel = streamOf(Buffer.alloc(3 << 20, "garbage"));
    });
  });
  test("a version that ends like a boot counter", async () => {
    await refuses("boot.versionClash", (candidate) => {
      candidate.version = "1.1+3";
    });
  });
  test("a device that systemd-boot did not start", async () => {
    await refuses("boot.unsupported", () => bench.variables.delete("LoaderInfo"));
  });
});

test("a kernel that reads back differently never gets a name that the loader reads", async () => {
  const first = await device();
  const candidate = await bench.writeSlot("b", "1.1");
  candidate.kernel!.isSame = async () => false;
  await expect(first.control.stage("b", candidate)).rejects.toEqual(refusal("boot.writeFailed"));
  expect(names()).toEqual(["hamlet_1.0.efi"]);
  expect(await first.control.current()).toMatchObject({ phase: "settled" });
});

test("preparing writes the kernel under a name that the loader ignores, and arms nothing", async () => {
  const first = await device();
  await first.control.prepare("b", await bench.writeSlot("b", "1.1"));
  expect(names()).toEqual(["hamlet_1.0.efi", "hamlet_1.1.new"]);
  expect(await first.control.current()).toMatchObject({ phase: "settled" });
  expect(await bench.start({ kind: "power" })).toMatchObject({ slot: "a", version: "1.0" });
});

test("a prepared kernel is neither read from its source nor written again, and only the restart arms it", async () => {
  const first = await device();
  const candidate = await bench.writeSlot("b", "1.1");
  await first.control.prepare("b", candidate);
  candidate.kernel!.read = () => {
    throw new Error("it is there already");
  };
  bench.power.restore();
  await first.control.prepare("b", candidate);
  expect(bench.power.writes()).toBe(0);
  await first.control.stage("b", candidate);
  // Our record, and the name.
  expect(bench.power.writes()).toBe(2);
  expect(names()).toEqual(["hamlet_1.0.efi", "hamlet_1.1+3.efi"]);
  expect(readFileSync(join(bench.folder, "hamlet_1.1+3.efi"))).toEqual(makeKernel("b", "1.1"));
});

test("a prepared kernel that was damaged since is written again", async () => {
  const first = await device();
  const candidate = await bench.writeSlot("b", "1.1");
  await first.control.prepare("b", candidate);
  const path = join(bench.folder, "hamlet_1.1.new");
  const bytes = readFileSync(path);
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(path, bytes);
  await first.control.stage("b", candidate);
  expect(readFileSync(join(bench.folder, "hamlet_1.1+3.efi"))).toEqual(makeKernel("b", "1.1"));
});

test("a source that fails in the middle leaves no kernel", async () => {
  const first = await device();
  const candidate = await bench.writeSlot("b", "1.1");
  const { read } = candidate.kernel!;
  candidate.kernel!.read = async function* () {
    let count = 0;
    for await (const piece of read()) {
      if (count++ === 3) throw new HamletError("update.unreachable", "the line is gone");
      yield piece;
    }
  };
  await expect(first.control.stage("b", candidate)).rejects.toMatchObject({ code: "update.unreachable" });
  expect(names()).toEqual(["hamlet_1.0.efi"]);
});

test("the last kernel that would start by default is never marked bad", async () => {
  const first = await device();
  const trial = await startTrial(bench, first, "1.1");
  rmSync(join(bench.folder, "hamlet_1.0.efi"));
  await expect(trial.control.markBad()).rejects.toEqual(refusal("boot.noGoodEntry"));
  expect(names()).toEqual(["hamlet_1.1+2-1.efi"]);
});

test("a release that cannot read the loader's variables is on trial all the same", async () => {
  const first = await device();
  const trial = await startTrial(bench, first, "1.1");
  bench.variables.delete("LoaderBootCountPath");
  expect(await trial.control.current()).toMatchObject({ phase: "trying", slot: "b", version: "1.1" });
  await trial.control.markBad();
  expect(await bench.start({ kind: "reboot" })).toMatchObject({ slot: "a", version: "1.0" });
});

test("a loader variable that is garbage or names a missing entry does not count as a trial", async () => {
  const first = await device();
  for (const value of ["", "\0", "no path", "\\EFI\\Linux\\hamlet_5+1-1.efi\0"]) {
    bench.variables.set("LoaderBootCountPath", Buffer.from(value, "utf16le"));
    expect(await first.control.current()).toMatchObject({ phase: "settled" });
  }
});

test("the kernel that a device leaves is set aside, and the next trial of its release only renames it", async () => {
  const first = await device();
  const trial = await startTrial(bench, first, "1.1");
  await trial.control.commit();
  await trial.control.revert();
  expect(names()).toEqual(["hamlet_1.0.efi", "hamlet_1.1.new"]);
  const back = await bench.start({ kind: "reboot" });
  const candidate = await bench.writeSlot("b", "1.1");
  candidate.kernel!.read = () => {
    throw new Error("it is there already");
  };
  await back.control.stage("b", candidate);
  expect(names()).toEqual(["hamlet_1.0.efi", "hamlet_1.1+3.efi"]);
});

test("a kernel in the other slot that is truncated, names no root filesystem or is newer leads nowhere back", async () => {
  const first = await device();
  const trial = await startTrial(bench, first, "1.1");
  await trial.control.commit();
  const path = join(bench.folder, "hamlet_1.0.efi");
  const whole = readFileSync(path);
  truncateSync(path, 1100);
  expect(await trial.control.earlier()).toBeUndefined();
  writeFileSync(path, makeKernel("a", "1.0", { rootHash: "none", dataBlocks: 1 }));
  expect(await trial.control.earlier()).toBeUndefined();
  rmSync(path);
  writeFileSync(join(bench.folder, "hamlet_1.2.efi"), makeKernel("a", "1.2"));
  expect(await trial.control.earlier()).toBeUndefined();
  rmSync(join(bench.folder, "hamlet_1.2.efi"));
  writeFileSync(path, whole);
  expect(await trial.control.earlier()).toMatchObject({ version: "1.0" });
});
