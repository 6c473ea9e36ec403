// `open`: serves the neighborhood's page on this computer and opens it in the browser.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type OwnersButtons, serveOpenPage } from "../../../dashboard/open.ts";
import { adopt as signAdoption, reject as signRejection } from "../../../provisioning/neighborhood/orders.ts";
import { systemClock } from "../../../system/clock.ts";
import { run } from "../../../system/command.ts";
import { HamletError } from "../../../system/error.ts";
import { type Command, text, usageError, type Values } from "../../terminal/command.ts";
import { type Device, findDevice } from "../../terminal/device.ts";
import { hand, refuseItself } from "../neighborhood/hand.ts";
import { ownedIfAny, refuseOtherNeighborhood } from "../neighborhood/owner.ts";
import { rejectedMeanwhile } from "../neighborhood/reject.ts";
import { isItself, waitingAt } from "../neighborhood/waiting.ts";
import { ownedDeviceOptions } from "./owned.ts";

export const open: Command = {
  usage: "open [--no-browser] [--port <number>]",
  summary: "show the neighborhood's page in the browser",
  example: "hamlet open --device cellar",
  details: `
Serves the page of the agent on this computer, of the running lab or, for the owner, of a device on the link, on 127.0.0.1 only, until
Ctrl-C. With --neighborhood <folder> the page has buttons that let a waiting device in or turn it away, and this program signs for the owner: no key and
no session ever gets to a device or to the browser.`,
  options: {
    ...ownedDeviceOptions,
    "no-browser": { type: "boolean", describe: "only print the address" },
    port: { type: "string", argument: "number", describe: "port on 127.0.0.1 (default: a free one)" },
  },
  async run({ values }, { print, note }) {
    const port = Number(text(values, "port") ?? 0);
    if (!Number.isInteger(port) || port < 0 || port > 65535)
      throw usageError(open, "--port must be a number up to 65535");
    const device = await findDevice(values);
    const owner = await ownerAt(device, values);
    const page = await serveOpenPage(device, { port, request: device.request, owner });
    print(page.url);
    const hasButtons = device.request || owner;
    note(`the page of ${device.found}${hasButtons ? "; keep its address secret: it has buttons" : ""}; Ctrl-C ends it`);
    const hasDisplay = Boolean(process.env["DISPLAY"] || process.env["WAYLAND_DISPLAY"]);
    if (hasDisplay && !values["no-browser"]) {
      // Without the key, because other users can read it in the list of processes.
      run(["xdg-open", page.url.split("#")[0]!]).catch(() =>
        note("could not start a browser: open the address yourself"),
      );
    }
    await new Promise((resolve) => {
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, resolve);
    });
    device.close();
    await page.close();
    return 0;
  },
};

/** Signs what becomes of a device that waits; undefined on a computer without the root key, or without its passphrase. */
export async function ownerAt(device: Device, values: Values): Promise<OwnersButtons | undefined> {
  const owned = device.owner ?? (await ownedIfAny(values));
  if (!owned || !existsSync(join(owned.folder, "root.key"))) return undefined;
  const open = await owned.open().catch((error: unknown) => {
    const isUnasked = error instanceof HamletError && error.code === "neighborhood.noPassphrase";
    if (!isUnasked || values["neighborhood"] !== undefined) throw error;
  });
  if (!open) return undefined;
  const find = async (deviceKey: string) => {
    const status = await device.status();
    refuseOtherNeighborhood(open, status, device.found);
    const found = waitingAt(status).find((one) => one.deviceKey === deviceKey);
    if (found) return { ...found, isItself: isItself(status, found) };
    throw new HamletError("adoption.notWaiting", "this device no longer waits", { hint: "load the page again" });
  };
  return {
    async adopt(deviceKey) {
      await find(deviceKey);
      const document = await signAdoption(open, deviceKey, systemClock.now());
      await hand(device, [document], { hint: "load the page again", isSameByAnyone: true });
    },
    async reject(deviceKey) {
      const found = await find(deviceKey);
      if (found.isItself) refuseItself(device.found);
      const document = await signRejection(open, deviceKey, systemClock.now());
      await hand(device, [document], { hint: rejectedMeanwhile });
    },
  };
}
