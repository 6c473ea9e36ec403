// The page of a device that is not a member (yet) and so has no doorstep of its own: it answers no hello.
import { HamletError } from "../../system/error.ts";
import { type Doorstep, type DoorstepOptions, startDoorstep } from "./doorstep.ts";

/** `port` 0: no page. Opening twice, or closing what is closed, changes nothing. */
export function makePublicDoor({
  port,
  ...options
}: Pick<DoorstepOptions, "page" | "log" | "warnings"> & { port: number }) {
  let doorstep: Doorstep | undefined;
  const hear = async () => {
    throw new HamletError("hello.refused", "this device is not a member of a neighborhood");
  };
  const onOrders = async () => {
    throw new HamletError("document.refused", "this device is not a member of a neighborhood, so it takes no orders");
  };
  const onQuestion = async () => {
    throw new HamletError("document.refused", "this device is not a member of a neighborhood, so it answers no owner");
  };
  return {
    async open() {
      if (port !== 0) doorstep ??= await startDoorstep({ ...options, ports: [port], hear, onOrders, onQuestion });
    },
    async close() {
      await doorstep?.stop();
      doorstep = undefined;
    },
  };
}
