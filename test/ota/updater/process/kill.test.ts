// SIGKILL at random moments of an update. `npm run test:long -- --cases ota/kill` does it for an hour.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { kernelFor, makeRepository } from "../repository.ts";
import { buildProgram, makeDevice } from "./device.ts";
import { killUpdates } from "./kills.ts";

test("an updater that is killed at any moments finishes the update when it is started again, or ends on the old slot", async () => {
  using program = await buildProgram();
  const tally = await killUpdates(program.path, 7, ({ updates }) => updates === 6);
  expect(tally).toMatchObject({ committed: 4, returned: 2 });
  expect(tally.kills).toBeGreaterThan(5);
});

test("the check after each kill finds a slot that starts and is not whole, and a device that starts nothing", async () => {
  using program = await buildProgram();
  const repository = makeRepository();
  const [first, next] = [repository.makeRelease("1.0"), repository.makeRelease("1.1")];
  const device = await makeDevice(program.path, repository, [first, next]);
  try {
    device.check();
    const entry = (name: string) => join(device.folder, "EFI/Linux", name);
    writeFileSync(entry("hamlet_1.1+3.efi"), kernelFor(next, "b"));
    expect(device.check).toThrow("slot b starts and is not 1.1");
    for (const name of ["hamlet_1.0.efi", "hamlet_1.1+3.efi"]) writeFileSync(entry(name), "");
    expect(device.check).toThrow("neither slot starts");
  } finally {
    await device.close();
  }
});
