// The same rules for device names apply wherever a name comes from.
import fc from "fast-check";
import { expect, test } from "vitest";
import { AgentConfig } from "../../../agent/config.ts";
import { rename } from "../../../cli/commands/device/rename.ts";
import { readImagerFiles } from "../../../provisioning/file/imager.ts";
import { ProvisionFile } from "../../../provisioning/file/provision-file.ts";
import { DeviceName } from "../../../provisioning/trust/fields.ts";
import { silentProgress } from "../../../system/progress.ts";

const taken = [
  "hamlet",
  "localhost",
  "local",
  "internal",
  "gateway",
  "wpad",
  "ip6-localhost",
  "12",
  "0x7f",
  "0",
  "xn--bcher-kva",
];

test.each(taken)(
  "name-hamlet: %s has another meaning, and every input refuses it with the same reason",
  async (name) => {
    const said = DeviceName.safeParse(name).error?.issues[0]?.message;
    expect(said).toMatch(/^is not a name for a device: it means /);
    expect(AgentConfig.safeParse({ name }).error?.issues[0]?.message).toBe(said);
    expect(ProvisionFile.shape.name.safeParse(name).error?.issues[0]?.message).toBe(said);
    expect(readImagerFiles({ userData: `#cloud-config\nhostname: "${name}"\n` }).warnings).toContain(
      `the hostname '${name}' ${said}`,
    );
    const context = { print: () => {}, note: () => {}, progress: silentProgress };
    const renaming = rename.run({ positionals: [name], values: {}, rest: [] }, context);
    await expect(renaming).rejects.toMatchObject({ code: "usage.invalid", message: `${name} ${said}`, exitCode: 2 });
  },
);

test("name-hamlet: a browser takes every accepted name for a host name", () => {
  const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
  const numeral = fc.oneof(
    fc.nat().map(String),
    fc.nat().map((n) => `0x${n.toString(16)}`),
    fc.nat().map((n) => `0${n.toString(8)}`),
  );
  fc.assert(
    fc.property(fc.oneof(label, numeral), (name) => {
      if (DeviceName.safeParse(name).success) expect(URL.parse(`http://${name}/`)?.hostname).toBe(name);
    }),
    { numRuns: 2_000 },
  );
  for (const name of ["attic", "nuc-3f2a", "hamlet-2", "4th-floor", "0xen", "localhost2", "a--b"])
    expect(DeviceName.safeParse(name).success).toBe(true);
});
