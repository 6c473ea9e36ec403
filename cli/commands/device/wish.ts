// What only root does on a device, because its owner asked for it: an install, a reset. The owner types as root there; so the wish is
// left in root's own folder, where no other user can leave one, once the agent has had its say.
import { wishNames } from "../../../provisioning/firstboot/paths.ts";
import { HamletError } from "../../../system/error.ts";

export type Order = (path: string, order: object) => Promise<void>;
/** A program on the device, as root; its exit code. */
export type Exec = (argv: string[]) => Promise<number>;

const wishOf: Record<string, { kind: keyof typeof wishNames; wish(order: object): object }> = {
  "/v1/install": { kind: "install", wish: (order) => ({ v: 1, disk: "disk" in order ? order.disk : undefined }) },
  "/v1/reset": { kind: "reset", wish: () => ({ v: 1 }) },
};
const noImage = 66;
// $1: before the device's folders, for tests. On disk before the agent says goodbye: a full disk refuses, and nobody has heard anything.
const inFolder = 'cd "$1/var/lib/hamlet/root" || exit 1; ';
const write = `[ -d "$1/run/hamlet-disk" ] || exit ${noImage}; umask 077; ${inFolder}printf '%s\\n' "$3" >"$2.asked" && sync "$2.asked"`;
const leave = `${inFolder}mv "$2.asked" "$2" && sync .`;
const drop = `${inFolder}rm -f "$2.asked"`;

/** `post` gives an order to the agent, or throws its refusal; what root is to do waits for that. */
export function orderWithWish(post: Order, exec: Exec, root = ""): Order {
  return async (path, order) => {
    const wanted = wishOf[path];
    if (!wanted) return await post(path, order);
    const { kind, wish } = wanted;
    const sh = (script: string) => exec(["sh", "-c", script, "sh", root, wishNames[kind], JSON.stringify(wish(order))]);
    const code = await sh(write);
    if (code !== 0 && code !== noImage) {
      throw new HamletError(`${kind}.refused`, "the wish could not be left in root's folder on the device", {
        hint: "type it as root on the device, and look whether its data partition is full: df /var/lib/hamlet",
        exitCode: 3,
      });
    }
    try {
      await post(path, order);
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
      throw new HamletError(`${kind}.refused`, "the wish was not left in root's folder on the device", {
        hint: `ask again: hamlet ${kind}`,
        exitCode: 3,
      });
    }
  };
}
