import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packState } from "../../../image/install/state.ts";

test("a state that is too large is not moved; lost+found does not count", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-state-"));
  const [state, work] = [join(folder, "state"), join(folder, "work")];
  const makeSparse = async (path: string, bytes: number) => {
    await writeFile(path, "");
    await truncate(path, bytes);
  };
  try {
    await mkdir(join(state, "lost+found"), { recursive: true });
    await mkdir(work);
    await makeSparse(join(state, "lost+found", "piece"), 200 << 20);
    const ran: string[] = [];
    const pack = () => packState(state, work, 64 << 20, "0".repeat(32), async ([file]) => void ran.push(file) as never);
    await pack();
    await rm(join(work, "state"), { recursive: true });
    await makeSparse(join(state, "forgotten.iso"), 129 << 20);
    ran.length = 0;
    await expect(pack()).rejects.toMatchObject({ code: "install.tooMuchState", hint: expect.any(String) });
    expect(ran).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
