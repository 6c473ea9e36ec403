// Requests that root carries out on a device: an install, a reset. Whoever sends one is root there, so the request is left in root's own
// folder, where no other user can leave one, once the agent has agreed.
import type { SendRequest } from "../../../agent/api/client.ts";
import type { RequestPath } from "../../../agent/api/schema.ts";
import { requestNames, requestText } from "../../../provisioning/handover/requests.ts";
import { HamletError } from "../../../system/error.ts";

/** Runs a program on the device as root and gives its exit code. */
export type Exec = (argv: string[]) => Promise<number>;

const requestOf: Partial<Record<RequestPath, { kind: keyof typeof requestNames; text(body: object): string }>> = {
  "/v1/install": { kind: "install", text: (body) => requestText.install("disk" in body ? String(body.disk) : "") },
  "/v1/reset": { kind: "reset", text: requestText.reset },
};
const noImage = 66;
// $1: before the device's folders, for tests. On disk before the agent says goodbye: a full disk refuses, and nobody has heard anything.
const inFolder = 'cd "$1/var/lib/hamlet/root" || exit 1; ';
const write = `[ -d "$1/run/hamlet-disk" ] || exit ${noImage}; umask 077; ${inFolder}printf '%s\\n' "$3" >"$2.asked" && sync "$2.asked"`;
const leave = `${inFolder}mv "$2.asked" "$2" && sync .`;
const drop = `${inFolder}rm -f "$2.asked"`;

/** `send` sends a request to the agent, or throws its refusal; root starts only after that. */
export function withRootRequest(send: SendRequest, exec: Exec, root = ""): SendRequest {
  return async (path, body) => {
    const wanted = requestOf[path];
    if (!wanted) return await send(path, body);
    const { kind, text } = wanted;
    const sh = (script: string) => exec(["sh", "-c", script, "sh", root, requestNames[kind], text(body)]);
    const code = await sh(write);
    if (code !== 0 && code !== noImage) {
      throw new HamletError(`${kind}.refused`, "the request could not be left in root's folder on the device", {
        hint: "type it as root on the device, and look whether its data partition is full: df /var/lib/hamlet",
        exitCode: 3,
      });
    }
    try {
      await send(path, body);
      if (code === noImage) {
        throw new HamletError(`${kind}.refused`, "this machine was not started from one of Hamlet's images", {
          hint: "only a device that was can do it",
          exitCode: 3,
        });
      }
    } catch (error) {
      if (code === 0) await sh(drop);
      throw error;
    }
    if ((await sh(leave)) !== 0) {
      throw new HamletError(`${kind}.refused`, "the request was not left in root's folder on the device", {
        hint: `ask again: hamlet ${kind}`,
        exitCode: 3,
      });
    }
  };
}
