// Under the real systemd-boot, which the model in test/image/boot stands for. A Raspberry Pi, through the emulated firmware:
// `npm run test:long -- --cases boards/trial`.
import { test } from "vitest";
import { proveTrial } from "./trial.ts";

/** Five boots, and the image before them. */
const bootsMs = 25 * 60_000;

test(
  "a bad trial leads back to the old slot and says why; a good one is committed and outlives a power cut",
  () => proveTrial("nuc"),
  bootsMs,
);
