// Every refusal of the agent's API, and every error of a client that gets no usable answer.
import { HamletError } from "../../system/error.ts";

export const noMember = (): HamletError =>
  new HamletError("api.refused", "only a member can be renamed, and this device is not one", {
    hint: "name it in its provision file: hamlet provision <card> --neighborhood <folder> --name <name>",
  });

export const noMesh = (): HamletError =>
  new HamletError(
    "api.refused",
    "this device takes no orders: it belongs to no neighborhood, or its mesh has not started",
    {
      hint: "see what its page says, or give the order to another device: --device <address>",
    },
  );

export const notFromImage = (stateFolder: string): HamletError =>
  new HamletError("reset.refused", "this machine was not started from a Hamlet image", {
    hint: `stop its agent, then remove ${stateFolder}`,
    exitCode: 3,
  });

export const otherDevice = (what: "reset" | "install"): HamletError =>
  new HamletError(`${what}.refused`, "the request names another device", {
    hint: what === "reset" ? "run it again: hamlet reset" : "open the page again: hamlet open",
    exitCode: 3,
  });

export const otherDisk = (path: string): HamletError =>
  new HamletError("install.noDisk", `${path} is not an internal disk that this device can move to`, {
    hint: "`hamlet install --list` on the device shows its disks",
    exitCode: 3,
  });

export const badRequest = (why: string): HamletError => new HamletError("usage.invalid", why, { exitCode: 2 });

export const unknownQuestion = (kind: string): HamletError =>
  new HamletError("api.refused", `this device's release knows no question of the kind ${kind}`, {
    hint: "update the device, or run the command on it",
  });

export const noAnswer = (who: string, why = "does not answer", cause?: unknown): HamletError =>
  new HamletError("device.noAnswer", `${who} ${why}`, {
    cause,
    hint: "is its agent running? On the device: systemctl status hamlet-agent",
  });

export const mayNotAsk = (who: string, cause: unknown): HamletError =>
  new HamletError("device.needsRoot", `this user may not ask ${who}`, {
    cause,
    hint: "run it as root (sudo), or as a member of the group hamlet",
  });

export const notOfNeighborhood = (who: string): HamletError =>
  new HamletError("device.noAnswer", `${who} does not prove that it belongs to this neighborhood`, {
    hint: "name the device's own neighborhood: --neighborhood <folder>; if it is this one, another computer answers in the device's place: ask by its address",
  });

export const publicPageOnly = (who: string): HamletError =>
  new HamletError("device.noAnswer", `${who} shows only its public page there, which names no members`, {
    hint: "as its owner: --neighborhood <folder>; otherwise ask by its mesh address from a member, or on the device itself",
  });

export const otherVersion = (why: string): HamletError =>
  new HamletError("device.noAnswer", `this version cannot read the device's status: ${why}`, {
    hint: "use the hamlet of the device's own release",
  });

export const notReady = (): HamletError =>
  new HamletError("update.notReady", "no release is ready to be started", {
    hint: "hamlet update prepare",
    exitCode: 3,
  });

export const updateBusy = (version: string): HamletError =>
  new HamletError("update.busy", `the update to ${version} writes or tries the other slot`, {
    hint: "wait until it ends: hamlet update status --watch",
    exitCode: 3,
  });
