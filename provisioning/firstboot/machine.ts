// Reads what image and kernel say about this machine, and sets the kernel's hostname. Only root can change any of it.
import { readFile, writeFile } from "node:fs/promises";
import { z } from "zod";
import { HamletError } from "../../system/error.ts";
import { readJson } from "../../system/files.ts";
import type { Owner } from "../handover/folder.ts";
import type { Paths } from "./paths.ts";

const AgentConfig = z.object({ board: z.string().default("nuc"), release: z.string().default("0.0.0") });

export const readImage = async ({ agentConfig }: Paths): Promise<z.infer<typeof AgentConfig>> =>
  (await readJson(agentConfig, AgentConfig)) ?? AgentConfig.parse({});

export const setKernelHostname = (paths: Paths, name: string): Promise<void> => writeFile(paths.kernelHostname, name);

/** As the initrd reports it. */
export const isDataLost = ({ dataFailed }: Paths): Promise<boolean> =>
  readFile(dataFailed).then(
    () => true,
    () => false,
  );

export async function agentOwner(passwd: string): Promise<Owner> {
  const line = (await readFile(passwd, "utf8")).split("\n").find((entry) => entry.startsWith("hamlet:"));
  const [, , uid, gid] = line?.split(":").map(Number) ?? [];
  if (!uid || !gid) throw new HamletError("config.invalid", "this device has no user hamlet");
  return { uid, gid };
}
