// Reads and undoes one change in the kernel, whatever its kind.
import type { Argv, Run } from "../../system/command.ts";
import { type Change, isSame, type Place } from "./changes.ts";
import { kernelSysctls, type Sysctls } from "./sysctls.ts";

export type Kernel = {
  sysctls: Sysctls;
  /** The value now; undefined if it cannot be read. */
  read(place: Place): Promise<string | undefined>;
  /** Puts `was` back. Throws if the kernel refuses. */
  undo(change: Change): Promise<void>;
};

export function openKernel(run: Run, sysctls: Sysctls = kernelSysctls()): Kernel {
  const succeeds = (argv: Argv) =>
    run(argv).then(
      () => true,
      () => false,
    );
  const isPresent = async ({ kind, key }: Place): Promise<boolean> => {
    if (kind === "interface") return succeeds(["ip", "link", "show", "dev", key]);
    if (kind === "table") return succeeds(["nft", "list", "table", ...key.split(" ")]);
    const [, prefix = "", , metric = ""] = key.split(" ");
    const routes = await run(["ip", "-6", "route", "show", "root", prefix]).catch(() => "");
    return routes
      .split("\n")
      .some((line) => line.startsWith(`unreachable ${prefix} `) && line.includes(` metric ${metric}`));
  };
  const removal = ({ kind, key }: Change): Argv =>
    kind === "interface"
      ? ["ip", "link", "del", "dev", key]
      : kind === "table"
        ? ["nft", "delete", "table", ...key.split(" ")]
        : ["ip", "-6", "route", "del", ...key.split(" ")];
  return {
    sysctls,
    async read(place) {
      if (place.kind === "sysctl") return sysctls.read(place.key);
      return (await isPresent(place)) ? "present" : "absent";
    },
    async undo(change) {
      if (change.kind !== "sysctl") await run(removal(change));
      else {
        await sysctls.write(change.key, change.was);
        if (!isSame((await sysctls.read(change.key)) ?? "", change.was))
          throw new Error("the kernel kept the new value");
      }
    },
  };
}
