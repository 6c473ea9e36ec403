// Requests that root carries out on a device: install, reset, update from a stick. The sender is root there and, once the agent has
// agreed, puts the request into root's own folder, where no other user can write.
import { constants } from "node:os";
import type { SendRequest } from "../../../agent/api/client.ts";
import type { RequestPath } from "../../../agent/api/schema.ts";
import { requestNames, requestText } from "../../../provisioning/handover/requests.ts";
import { HamletError } from "../../../system/error.ts";

/** Runs a program on the device as root and returns its exit code. */
export type Exec = (argv: string[]) => Promise<number>;

const requestOf: Partial<Record<RequestPath, { kind: "install" | "reset"; text(body: object): string }>> = {
  "/v1/install": { kind: "install", text: (body) => requestText.install("disk" in body ? String(body.disk) : "") },
  "/v1/reset": { kind: "reset", text: requestText.reset },
};
const noImage = 66;
// $1: prefix of the device's folders, for tests. The request is on disk before the agent leaves, so a full disk refuses in time.
const inFolder = 'cd "$1/var/lib/hamlet/root" || exit 1; ';
const write = `[ -d "$1/run/hamlet-disk" ] || exit ${noImage}; umask 077; ${inFolder}printf '%s\\n' "$3" >"$2.asked" && sync "$2.asked"`;
const leave = `${inFolder}mv "$2.asked" "$2" && sync .`;
const drop = `${inFolder}rm -f "$2.asked"`;

/** `send` sends a request to the agent, or throws its refusal; root acts only after that. */
export function withRootRequest(send: SendRequest, exec: Exec, root = ""): SendRequest {
  return async (path, body) => {
    if (path === "/v1/update" && "path" in body) return await updateFrom(String(body.path), send, exec, root);
    const wanted = requestOf[path];
    if (!wanted) return await send(path, body);
    const { kind, text } = wanted;
    const sh = (script: string) => exec(["sh", "-c", script, "sh", root, requestNames[kind], text(body)]);
    const code = await sh(write);
    if (code !== 0 && code !== noImage) {
      throw new HamletError(`${kind}.refused`, "could not store the request in root's folder on the device", {
        hint: "run the command as root on the device, and check whether its data partition is full: df /var/lib/hamlet",
        exitCode: 3,
      });
    }
    try {
      await send(path, body);
      if (code === noImage) {
        throw new HamletError(`${kind}.refused`, "this machine was not started from a Hamlet image", {
          hint: "only a device that was started from one can do this",
          exitCode: 3,
        });
      }
    } catch (error) {
      if (code === 0) await sh(drop);
      throw error;
    }
    if (!isActive(await sh(leave).catch(asCutOff))) {
      throw new HamletError(`${kind}.refused`, "could not activate the request in root's folder on the device", {
        hint: `try again: hamlet ${kind}`,
        exitCode: 3,
      });
    }
  };
}

const noFolder = 65;
// $4: the folder or file. The updater takes the request as soon as the agent passes on that there is one.
const name = `[ -f "$4/metadata/timestamp.json" ] || [ -f "$4" ] || exit ${noFolder}; ${write} && mv "$2.asked" "$2" && sync .`;
const withdraw = `${inFolder}rm -f "$2" "$2.asked"`;

async function updateFrom(from: string, send: SendRequest, exec: Exec, root: string): Promise<void> {
  const text = requestText.update(from);
  const sh = (script: string) => exec(["sh", "-c", script, "sh", root, requestNames.update, text, from]);
  switch (await sh(name)) {
    case 0:
      break;
    case noFolder:
      throw new HamletError("update.notThere", `${from} on the device is no folder or file with a release`, {
        hint: "write one with: hamlet ota export newest --board <board> --folder <folder> -o <folder>",
        exitCode: 3,
      });
    case noImage:
      throw new HamletError("boot.unsupported", "this machine was not started from a Hamlet image", {
        hint: "only a device that was started from one can do this",
        exitCode: 3,
      });
    default:
      throw new HamletError("device.needsRoot", "could not store the request in root's folder on the device", {
        hint: "run the command as root on the device, and check whether its data partition is full: df /var/lib/hamlet",
        exitCode: 3,
      });
  }
  try {
    await send("/v1/update", { kind: "install" });
  } catch (error) {
    await sh(withdraw);
    throw error;
  }
}

/** Exit codes of a program that a signal ended begin above this. */
const signalBase = 128;

/** Root acts at once: the restart may end the script before it returns, but not before its first command, the rename. */
const isActive = (code: number): boolean => code === 0 || code > signalBase;

/** The same restart may take away the machine that would report the script's end. */
function asCutOff(error: unknown): number {
  if (error instanceof HamletError && error.code === "lab.execFailed") return signalBase + constants.signals.SIGTERM;
  throw error;
}
