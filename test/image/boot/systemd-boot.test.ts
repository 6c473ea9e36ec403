import { beforeAll, describe } from "vitest";
import { bootControlContract } from "./contract.ts";
import { setRenameLeavesBoth, systemdBootBench } from "./systemd-boot-bench.ts";

describe.each([
  ["both names", true],
  ["an empty new name", false],
])("systemd-boot, where a rename that is cut off leaves %s", (_, leavesBoth) => {
  beforeAll(() => setRenameLeavesBoth(leavesBoth));
  bootControlContract(() => systemdBootBench(), { tries: 3 });
});
