// What the agent says where wireguard-go cannot be started; test/net/mesh.test.ts has it run.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { startUserspace } from "../../../agent/mesh/userspace.ts";
import { silentLog } from "../../../system/log.ts";

test("the hint names the program that is missing, which may be another than wireguard-go", async () => {
  const empty = await mkdtemp(join(tmpdir(), "hamlet-path-"));
  vi.stubEnv("PATH", empty);
  try {
    await expect(startUserspace("hamlet-none", silentLog)).rejects.toMatchObject({
      code: "mesh.failed",
      hint: "install the package that has setpriv",
    });
  } finally {
    vi.unstubAllEnvs();
    await rm(empty, { recursive: true });
  }
});
