// The lab's web on the lab's LAN: its host, its cable, and its status.
import { join } from "node:path";
import { HamletError } from "../../../system/error.ts";
import type { Log } from "../../../system/log.ts";
import { labLan, webAddress } from "../network/dhcp.ts";
import type { Hub } from "../network/hub.ts";
import type { LabWebStatus } from "../supervisor/status.ts";
import { startWebHost } from "./host.ts";

export type LabWeb = {
  status(): LabWebStatus;
  /** Pulls its cable, or plugs it in. */
  setPartitioned(isPartitioned: boolean): void;
  stop(): Promise<void>;
};

/** As the devices reach it. */
export const webUrl = `http://${webAddress}/`;
const names = { port: "web", socket: "web.lan", requests: "web.log" };

/** Serves the folder `served`. `folder` is the working folder of this process, where the log goes. */
export async function startWeb(hub: Hub, folder: string, served: string, log: Log): Promise<LabWeb> {
  await hub.openPort(names.port, names.socket);
  const requests = join(folder, names.requests);
  const port = { socket: join(folder, names.socket), address: `${webAddress}/24`, mac: labLan.webMac };
  const host = startWebHost({ folder: served, requests, port }, log);
  let isPartitioned = false;
  return {
    status: () => ({ url: webUrl, folder: served, requests, isPartitioned, ...host.state() }),
    setPartitioned(isCut) {
      isPartitioned = isCut;
      hub.setCut(names.port, isCut);
    },
    stop: host.stop,
  };
}

export const noWeb = (): HamletError =>
  new HamletError("lab.deviceUnknown", "this lab has no web", {
    hint: "hamlet lab up starts a lab with one",
    exitCode: 2,
  });
