// Whether this device takes a verified release.
// Pure.
import { compareVersions } from "../../image/boot/versions.ts";
import { HamletError } from "../../system/error.ts";
import type { Manifest } from "../format/manifest.ts";

export type Device = {
  version: string;
  /** The newest release that was ever committed here. */
  floor: string | undefined;
  failed: readonly string[];
  isDataLost: boolean;
};

const refuse = (
  code: "update.dataLost" | "update.notNewer" | "update.tooOld" | "update.failedBefore",
  why: string,
  hint: string,
) => new HamletError(code, why, { hint, exitCode: 3 });

/** Undefined if nothing speaks against it. */
export function refusalOf(
  { version, installFrom }: Pick<Manifest, "version" | "installFrom">,
  device: Device,
): HamletError | undefined {
  const isOlder = (one: string, other: string) => compareVersions(one, other) < 0;
  if (device.isDataLost) {
    return refuse("update.dataLost", "the data partition could not be mounted", "restart the device");
  }
  if (compareVersions(version, device.version) <= 0) {
    return refuse("update.notNewer", `release ${version} is not newer than ${device.version}, which runs`, "wait");
  }
  if (device.floor !== undefined && isOlder(version, device.floor)) {
    return refuse("update.notNewer", `release ${version} is older than ${device.floor}, which ran here before`, "wait");
  }
  if (installFrom !== undefined && isOlder(device.version, installFrom)) {
    const why = `release ${version} can be installed from ${installFrom} on, this device runs ${device.version}`;
    return refuse("update.tooOld", why, "install a release in between first");
  }
  if (device.failed.includes(version)) {
    return refuse("update.failedBefore", `release ${version} failed its trial on this device`, "hamlet update retry");
  }
  return undefined;
}
