// Boot control under the real systemd-boot, which test/image/boot only models. `npm run test:long -- --cases boards/trial` covers
// the other boards, including a Raspberry Pi with emulated firmware.
import { test } from "vitest";
import { slowness } from "../speed.ts";
import { proveTwoTrials } from "./trial.ts";

/** Enough for building the image and four boots. `boards/trial-nuc` covers three hangs in a row and a bad verdict. */
const bootsMs = 25 * 60_000 * slowness();

test(
  "a good trial is committed and survives a power cut; the watchdog ends a hanging one and the old slot returns",
  proveTwoTrials,
  bootsMs,
);
